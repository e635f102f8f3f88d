package server

import (
	"errors"
	"net"
)

// A transport carries the bytes of one connection, and knows which goroutine serves it.
// A socket is served by the loop's workers, together with many others; a stream (TLS, a
// pipe, and every connection where there is no epoll) by a goroutine of its own. A conn
// holds requests and replies, and does not know which of them carries it.
//
// What reads calls the conn: handleBuffered for the requests that have arrived, flush
// and answersSent for the replies, heard for new input, endWait while its client waits
// in line, and at last end and linger.
//
// Mutexes are taken in this order: Server.mu, loop.mu. None of them is held while locks
// are asked for something, or a client is written to.
type transport interface {
	// The first group is for the goroutine that serves the connection.

	// write sends b. It waits for room if there is none, as long as the client is
	// given by conn.mustTake.
	write(b []byte) (n int, err error)
	// readBehind reads what has arrived while the client waited in line, without
	// waiting for more. It reports whether that was anything.
	readBehind() bool
	// detach is called before the goroutine waits for something: from then on others
	// serve the connections that it would have served.
	detach()
	// passLead is called before what may take long, but does not wait.
	passLead()
	// yield gives other connections a turn. It reports whether that is after the caller
	// has returned: the connection gets another turn then.
	yield() (later bool)
	// seeOff follows the end of the input, and returns what has ended it.
	seeOff() error

	// The others may be called from any goroutine.

	// wake has the connection looked after soon, whatever its client does.
	wake()
	// cutOff ends the connection without further ado, isCut tells that it was called.
	cutOff()
	isCut() bool
	// inFlight tells what has been written and has not arrived yet.
	inFlight() flight
	// unread is how many bytes have arrived and were not read.
	unread() int
	// remote is the client's address.
	remote() net.Addr
	// descriptor is that of the connection, -1 if it has none.
	descriptor() int
}

// A nowWriter is a transport on which any goroutine can write without waiting for the
// client: who releases a lock answers the next in line. On other transports the
// connection is woken to do that.
type nowWriter interface {
	// writeNow writes what there is room for.
	writeNow(b []byte) (n int, err error)
}

// flight is what the client's kernel has not confirmed.
type flight struct {
	unsent int  // bytes
	open   bool // it may still confirm them
	plain  bool // these are bytes of replies, not of TLS
}

var (
	// errUnread is why a client is cut off at once that has no room for its answers:
	// too many of others are unread.
	errUnread = errors.New("server: too much is unread")
	// errCut is what write returns when cutOff was called.
	errCut = errors.New("server: connection cut")
)
