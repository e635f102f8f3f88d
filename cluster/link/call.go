package link

import (
	"encoding/binary"
	"errors"
	"time"
)

// Call is a request that a front passes on for one of its clients.
type Call struct {
	Session uint64        // the client's connection; a number that the front never uses again
	Client  string        // its address, for the owner's log
	Request []byte        // as the client has sent it
	Claim   [16]byte      // of a claim; a claim with the same id is not granted twice
	Waited  time.Duration // for how long the client has waited in line at another node
}

// Reply is what became of a call. Without Err the request was carried out, and Text, which may
// be empty, is the reply in the client's dialect.
type Reply struct {
	Text    []byte
	Granted bool   // the reply tells of a grant,
	Token   uint64 // with this token
	Err     error
}

// Why there is no reply.
var (
	// ErrMoved: not carried out, because the node does not serve the key.
	ErrMoved = errors.New("link: another node serves the key")
	// ErrUnconfirmed: perhaps carried out, but no quorum has confirmed it. A grant is taken
	// back if it turns out to have been kept.
	ErrUnconfirmed = errors.New("link: no quorum")
	// ErrRefused: not carried out, and no node would.
	ErrRefused = errors.New("link: not a request for another node")
	// ErrUnsent: not carried out, because the node could not be reached.
	ErrUnsent = errors.New("link: the node cannot be reached")
	// ErrLost: perhaps carried out. The connection was lost before the reply came.
	ErrLost = errors.New("link: the connection to the node was lost")
)

// outcomes are the errors that a reply can carry, by their number on the wire. Every other
// error is told as ErrUnconfirmed.
var outcomes = [...]error{nil, ErrMoved, ErrRefused, ErrUnconfirmed}

func outcomeOf(err error) byte {
	for i, known := range outcomes {
		if errors.Is(err, known) {
			return byte(i)
		}
	}
	return byte(len(outcomes) - 1)
}

func (c *Call) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.Session)
	b = append(b, c.Claim[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Waited))
	b = appendText(b, c.Client)
	return append(b, c.Request...)
}

func readCall(b []byte) (c Call, err error) {
	f := body{left: b}
	c.Session = f.uint64()
	copy(c.Claim[:], f.take(len(c.Claim)))
	c.Waited = f.duration()
	c.Client = f.text()
	c.Request = f.left
	return c, f.err()
}

func (r *Reply) appendTo(b []byte) []byte {
	granted := byte(0)
	if r.Granted {
		granted = 1
	}
	b = append(b, outcomeOf(r.Err), granted)
	b = binary.BigEndian.AppendUint64(b, r.Token)
	return append(b, r.Text...)
}

// readReply returns a reply that owns its text.
func readReply(b []byte) (r Reply, err error) {
	f := body{left: b}
	outcome := f.byte()
	r.Granted = f.byte() != 0
	r.Token = f.uint64()
	if int(outcome) >= len(outcomes) {
		return r, errFrame
	}
	r.Err = outcomes[outcome]
	r.Text = append([]byte(nil), f.left...)
	return r, f.err()
}
