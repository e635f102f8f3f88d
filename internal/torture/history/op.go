// Package history judges what clients of a lock server saw. It knows the life
// of a lock as a sequential model with a clock, and asks porcupine whether there
// is an order of all requests that explains every answer. It knows no sockets.
package history

import (
	"fmt"
	"math"
	"time"
)

// Never is a time that does not come.
const Never = time.Duration(math.MaxInt64)

// Kind is what a request asks for.
type Kind uint8

// The requests that are recorded.
const (
	Claim  Kind = iota // add, or ms with ME
	Swap               // cas: a renewal, or with no lease a release
	Remove             // md with C
	Delete
	Touch
	Get // get, or gets
)

var kindNames = [...]string{"claim", "swap", "remove", "delete", "touch", "get"}

func (k Kind) String() string { return kindNames[k] }

// Result is how a request was answered.
type Result uint8

// The answers.
const (
	Unknown Result = iota // none came: the request may have been carried out or not
	Done
	Refused // NOT_STORED: somebody holds the lock
	Differs // EXISTS: the token is another
	Absent  // NOT_FOUND, END: there is no such key
)

var resultNames = [...]string{"unknown", "done", "refused", "differs", "absent"}

func (r Result) String() string { return resultNames[r] }

// Op is one request of one client with its answer. Times are those of a clock
// that all clients share.
type Op struct {
	Client  int
	Kind    Kind
	Key     string
	Value   string        // of a Claim or Swap; what a Get has shown
	Lease   time.Duration // of a Claim, Swap or Touch
	Compare uint64        // the token that a Swap or Remove names
	Waits   bool          // a Claim that is ready to wait in line

	Call   time.Duration
	Return time.Duration // if Unknown, when it cannot be carried out any more
	Result Result
	Token  uint64 // what a Claim or Get was told; 0 if nothing

	// Cut is when the client began to break its connection while the server could
	// doubt that the answer to this Claim had arrived; otherwise Never. From then on
	// the grant may be withdrawn, if the claim was ready to wait.
	Cut time.Duration
}

func (o *Op) String() string {
	text := o.Kind.String()
	switch o.Kind {
	case Claim:
		if o.Waits {
			text = "waiting claim"
		}
		text += fmt.Sprintf(" %s for %v", o.Value, o.Lease)
	case Swap:
		text += fmt.Sprintf(" %d for %s, %v", o.Compare, o.Value, o.Lease)
	case Remove:
		text += fmt.Sprintf(" %d", o.Compare)
	case Touch:
		text += fmt.Sprintf(" for %v", o.Lease)
	}
	text += ": " + o.Result.String()
	if o.Result == Done && o.Kind == Get {
		text += " " + o.Value
	}
	if o.Token != 0 {
		text += fmt.Sprintf(", token %d", o.Token)
	}
	if o.Cut != Never {
		text += fmt.Sprintf(", cut at %v", o.Cut)
	}
	return text
}
