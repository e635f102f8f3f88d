package stats

// Counters is how often what happened, to one lock, a class or all locks.
type Counters struct {
	Acquired     uint64 // grants
	Refused      uint64 // claims that found the lock held and got no grant
	HandedOff    uint64 // grants in the same step as the end of the hold before
	Released     uint64 // holds ended by their holder
	Expired      uint64 // holds ended by their lease
	Renewed      uint64
	WaitTimeouts uint64 // queued claims whose wait ended without a grant
	Withdrawn    uint64 // grants taken back because the claimant had gone
	Overrun      uint64 // releases that came after the hold's own expiry: its lease was too short
	Deadlocks    uint64 // waits ended because they had closed a circle
}

// Merge adds the counts of o.
func (c *Counters) Merge(o *Counters) {
	c.Acquired += o.Acquired
	c.Refused += o.Refused
	c.HandedOff += o.HandedOff
	c.Released += o.Released
	c.Expired += o.Expired
	c.Renewed += o.Renewed
	c.WaitTimeouts += o.WaitTimeouts
	c.Withdrawn += o.Withdrawn
	c.Overrun += o.Overrun
	c.Deadlocks += o.Deadlocks
}

// Fields are the counts with their names on the wire.
func (c *Counters) Fields() []Field {
	return []Field{
		countField("acquired", c.Acquired),
		countField("refused", c.Refused),
		countField("handed_off", c.HandedOff),
		countField("released", c.Released),
		countField("expired", c.Expired),
		countField("renewed", c.Renewed),
		countField("wait_timeouts", c.WaitTimeouts),
		countField("withdrawn", c.Withdrawn),
		countField("overrun", c.Overrun),
		countField("deadlocks", c.Deadlocks),
	}
}
