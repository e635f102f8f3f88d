package stats

// Counter is something that happens to locks and is counted.
type Counter uint8

// What is counted. A new counter needs a line here, and one in counterNames.
const (
	Acquired     Counter = iota // grants
	Refused                     // claims that found the lock held and got no grant
	HandedOff                   // grants in the same step as the end of the hold before
	Released                    // holds ended by their holder
	Expired                     // holds ended by their lease
	Renewed                     // holds whose lease was prolonged, or whose value was changed
	WaitTimeouts                // queued claims whose wait ended without a grant
	Withdrawn                   // grants taken back because the claimant had gone
	Overrun                     // releases that came after the hold's own expiry: its lease was too short
	Deadlocks                   // waits ended because they had closed a cycle
	LateReleases                // releases of a lock that somebody else held by then, which were refused

	numCounters
)

// counterNames are the names on the wire, in the order in which they are printed.
var counterNames = [numCounters]string{
	Acquired:     "acquired",
	Refused:      "refused",
	HandedOff:    "handed_off",
	Released:     "released",
	Expired:      "expired",
	Renewed:      "renewed",
	WaitTimeouts: "wait_timeouts",
	Withdrawn:    "withdrawn",
	Overrun:      "overrun",
	Deadlocks:    "deadlocks",
	LateReleases: "late_releases",
}

// String is the counter's name on the wire.
func (c Counter) String() string { return counterNames[c] }

// Counters is how often each of these happened, to one lock, a class or all locks.
type Counters [numCounters]uint64

// Count is how often it happened.
func (c *Counters) Count(what Counter) uint64 { return c[what] }

// Merge adds the counts of o.
func (c *Counters) Merge(o *Counters) {
	for i, n := range o {
		c[i] += n
	}
}

// Fields are the counts with their names on the wire, but for LateReleases, which are shown
// only where they can be refused.
func (c *Counters) Fields() []Field {
	f := make([]Field, 0, numCounters)
	for i, n := range c[:LateReleases] {
		f = append(f, CountField(counterNames[i], n))
	}
	return f
}
