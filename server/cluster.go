package server

import (
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// Cluster is what a Server knows of the other nodes. Each key is served by one node, its
// owner; the node that a client is connected to is the client's front. The methods may be
// called from any goroutine. None but FlushAll waits for another node.
type Cluster interface {
	// Local reports whether this node serves the key now.
	Local(key []byte) bool
	// Call has the owner of c.Key carry out a request, even if that is this node again. It
	// calls c.Done once, from any goroutine: when a wait in line is over, for any other
	// request within the cluster's patience, and soon after Cancel.
	Call(c *Call)
	// Hurry, after Call, tells the owner that the client has sent more input: a wait ends if
	// the client has not asked for it. It is told again if the call is sent again.
	Hurry(c *Call)
	// Cancel, after Call, tells the owner that the client has gone, or that the front shuts down: a wait
	// ends, and the call is not sent again. Any other request goes on.
	Cancel(c *Call)
	// Withdraw takes back a grant that its client did not get, whoever the owner is.
	Withdraw(key []byte, token uint64)
	// CloseSession tells all nodes that a client has gone.
	CloseSession(session uint64)
	// FlushAll carries out a flush_all at all nodes, and returns when they have kept it.
	FlushAll(delay time.Duration) error
	// Owner describes the owner of a key, beginning with its name; it is empty while there
	// is none.
	Owner(key []byte) string
	// Fields is the answer to "stats cluster".
	Fields() []stats.Field
}

// Call is a request that another node carries out. Nobody changes it until it is done.
type Call struct {
	Session uint64        // of the client's connection; never used for another one
	Client  string        // its address, for logs
	Key     []byte        // decides who the owner is
	Text    []byte        // the request as the client sent it, as text or a packet; see Remote.Do
	Kind    CallKind      // whether it may be repeated
	Claim   locks.ClaimID // of a claim, zero otherwise
	Since   time.Time     // when the client asked
	Done    func(Reply)
}

// CallKind says what may be done with a Call if its owner is lost before it has answered.
type CallKind uint8

// The kinds of calls.
const (
	Read   CallKind = iota // it may be repeated
	Claim                  // it may be repeated with the same ClaimID
	Change                 // it must not be repeated: nobody knows whether it was carried out
)

// Reply is the outcome of a Call.
type Reply struct {
	Text    []byte // for the client; empty if the request has no reply
	Granted bool   // the reply tells the client that it holds a lock,
	Token   uint64 // with this token
	// Err says why there is no Text, in words for clients. locks.ErrMoved says that the
	// request was not carried out, because another node serves its key.
	Err error
}
