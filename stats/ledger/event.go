package ledger

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// Kind is what has happened to a lock.
type Kind uint8

// The life of a lock, as far as it is worth remembering. Ends of holds come first, what
// is not counted last.
const (
	Released     Kind = iota // a hold has ended after Event.Took
	Expired                  // likewise, by its lease
	Withdrawn                // likewise, before its client knew of it
	Unkept                   // likewise, since it could not be kept on disk
	Granted                  // a hold has begun
	HandedOff                // and it began in the step that ended the hold before
	Renewed                  // a hold goes on, with a new lease or value
	Refused                  // a claim got no grant
	WaitedInVain             // a queued claim got no grant
	Overran                  // a holder released a hold that had expired
	Deadlocked               // a wait was ended because it would never have ended
	CameLate                 // a release by a client whose hold had expired was refused
	GapEnded                 // a grant ended a gap of Event.Took
	Changed                  // a hold goes on as it was, with another value, flags or id
	Came                     // a hold goes on here that began elsewhere
	Left                     // a hold goes on elsewhere

	numKinds
)

// Event is something that has happened to a lock.
type Event struct {
	Kind   Kind
	Waited bool          // of a grant: it was waited for
	Now    time.Duration // on the owner's clock
	Took   time.Duration // where the Kind says so; of a grant that was waited for, the wait
	Token  uint64        // of a hold that has expired
}

// counterOf is the counter of each Kind that isCounted.
var counterOf = [numKinds]stats.Counter{
	Granted:      stats.Acquired,
	HandedOff:    stats.HandedOff,
	Refused:      stats.Refused,
	Renewed:      stats.Renewed,
	Released:     stats.Released,
	Expired:      stats.Expired,
	Withdrawn:    stats.Withdrawn,
	Unkept:       stats.Withdrawn,
	WaitedInVain: stats.WaitTimeouts,
	Overran:      stats.Overrun,
	Deadlocked:   stats.Deadlocks,
	CameLate:     stats.LateReleases,
}

func (k Kind) isCounted() bool { return k < GapEnded }

// EndsHold reports whether such an event ends a hold.
func (k Kind) EndsHold() bool { return k <= Unkept }
