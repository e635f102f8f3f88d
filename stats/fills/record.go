package fills

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// Counter is something that happens around fills and is counted.
type Counter uint8

// What is counted. A new counter needs a line here, and one in counterNames.
const (
	Started     Counter = iota // gets that were told a miss and became fillers
	Early                      // those of them that were told so before the expiry
	Stored                     // values that were stored by, or for, somebody who was told a miss
	Coalesced                  // gets that were held back and answered with the value
	Stale                      // gets that were answered with an expired value
	FellThrough                // gets that were told a miss although somebody was computing
	Abandoned                  // fills whose filler hung up, took too long, or stored nothing visible

	numCounters
)

// counterNames are the names on the wire, in the order in which they are printed.
var counterNames = [numCounters]string{
	Started:     "fills",
	Early:       "fills_early",
	Stored:      "fills_stored",
	Coalesced:   "coalesced",
	Stale:       "served_stale",
	FellThrough: "fell_through",
	Abandoned:   "abandoned",
}

// String is the counter's name on the wire.
func (c Counter) String() string { return counterNames[c] }

// Counters is how often each of these happened.
type Counters [numCounters]uint64

// Saved is how many gets would have been told a miss, and have computed the value, if they had
// been answered at once by what was there.
func (c *Counters) Saved() uint64 { return c[Coalesced] + c[Stale] }

// Merge adds the counts of o.
func (c *Counters) Merge(o *Counters) {
	for i, n := range o {
		c[i] += n
	}
}

// Fields are the counts with their names on the wire.
func (c *Counters) Fields() []stats.Field {
	f := make([]stats.Field, 0, numCounters+1)
	for i, n := range c {
		f = append(f, stats.CountField(counterNames[i], n))
	}
	return append(f, stats.CountField("computations_saved", c.Saved()))
}

// Record is what is known of the fills of one key, or of a class. The zero value knows
// nothing. A plain copy shares the law: see Clone.
type Record struct {
	Took     stats.Moments    // from the miss to the store
	Censored stats.Moments    // fills that nobody stored: known only to take longer, so kept out of Took
	Law      *stats.Histogram // behind both; nil until there is an observation
	Counters

	quantile time.Duration // the upper quantile of the law when it last changed
	aged     time.Duration // when the past last faded
}

// tail is the quantile of fill times that counts: most fillers are done by then.
const tail = 0.9

// took records a fill that was stored; lasted one that nobody stored.
func (r *Record) took(d, now time.Duration) {
	r.age(now)
	r.Took.Add(d)
	r.Law.Add(d)
	r.quantile = min(r.Law.Quantile(tail), r.Took.Max())
}

func (r *Record) lasted(d, now time.Duration) {
	r.age(now)
	r.Censored.Add(d)
	r.Law.Censor(d)
	r.quantile = min(r.Law.Quantile(tail), r.Took.Max())
}

// age lets what was observed before weigh less, as stats.Record does.
func (r *Record) age(now time.Duration) {
	if r.Law == nil {
		r.Law, r.aged = new(stats.Histogram), now
	}
	if elapsed := now - r.aged; elapsed >= time.Minute {
		r.aged = now
		factor := stats.FadeFactor(elapsed)
		r.Took.Fade(factor)
		r.Censored.Fade(factor)
		r.Law.Fade(factor)
	}
}

// Clone returns a copy that shares no memory with r.
func (r *Record) Clone() Record {
	c := *r
	c.Law = r.Law.Clone()
	return c
}

// Fields are the record's numbers with their names on the wire.
func (r *Record) Fields() []stats.Field {
	f := stats.MomentsFields("fill", &r.Took, r.Law, 50, 90, 99)
	f = append(f, stats.CountField("fill_censored_count", r.Censored.Count()))
	return append(f, r.Counters.Fields()...)
}
