package server

import (
	"errors"
	"net"

	"github.com/lockcached/lockcached/locks"
)

// A transport carries the bytes of one connection, and knows which goroutine serves it. The
// loop's workers serve a socket, together with many others. A goroutine of its own serves a
// stream (TLS, a pipe, and every connection without epoll). A conn has the requests and
// replies, and does not know which kind of transport carries it.
//
// The goroutine that reads calls the conn: handleBuffered for the requests that have arrived,
// flush and answersSent for the replies, heard for new input, the methods of parked while the
// connection waits, and at last end and linger.
//
// Mutexes are locked in this order: Server.mu, loop.mu. Neither is held during a call to
// package locks or a write to a client.
type transport interface {
	// Only the goroutine that serves the connection calls the methods of this group.

	// write sends b. If there is no room it waits, for as long as conn.mustTake gives the
	// client.
	write(b []byte) (n int, err error)
	// readBehind reads what has arrived while the client waited in line, without
	// waiting for more. It reports whether there was anything.
	readBehind() bool
	// served collects the waiters that the present request serves, so that they are told together;
	// nil if each is to be told at once.
	served() *locks.Served
	// detach is called before the goroutine waits for something. From then on other
	// goroutines serve its other connections.
	detach()
	// passLead is called before work that may take long, but does not wait.
	passLead()
	// yield gives other connections a turn. If it reports true, they get it after the caller
	// returns, and this connection gets another turn later.
	yield() (later bool)
	// seeOff is called at the end of the input, and returns what has ended it.
	seeOff() error

	// The other methods may be called from any goroutine.

	// wake gives the connection a turn soon, whatever its client does.
	wake()
	// cutOff ends the connection without waiting for the client; isCut reports whether it
	// was called.
	cutOff()
	isCut() bool
	// inFlight returns what has been written but has not arrived yet.
	inFlight() flight
	// unread is how many bytes have arrived but have not been read.
	unread() int
	// remote is the client's address.
	remote() net.Addr
	// descriptor is the connection's file descriptor, -1 if it has none.
	descriptor() int
}

// A nowWriter is a transport on which any goroutine can write without waiting for the client:
// the goroutine that releases a lock answers the next in line. With other transports it wakes
// the connection, which then writes the answer.
type nowWriter interface {
	// writeNow writes as much of b as there is room for.
	writeNow(b []byte) (n int, err error)
}

// nowWriter returns the connection's transport, nil if that is none.
func (c *conn) nowWriter() nowWriter {
	w, _ := c.transport.(nowWriter)
	return w
}

// flight is what the client's kernel has not acknowledged.
type flight struct {
	unsent int  // bytes
	open   bool // it may still acknowledge them
	plain  bool // these are bytes of replies, not of TLS
}

var (
	// errUnread says why a client that has no room for its answers is cut off at once:
	// the answers that clients have not read take up too much memory already.
	errUnread = errors.New("server: too much is unread")
	// errCut is returned by write after cutOff.
	errCut = errors.New("server: connection cut")
)
