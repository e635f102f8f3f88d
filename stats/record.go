package stats

import (
	"strconv"
	"time"
)

// Record is what is known of the past of one lock, or of a class of locks. The
// zero value is a lock that was never claimed.
type Record struct {
	Hold     Moments // from grant to release
	Censored Moments // holds ended by expiry: known only to be at least that long, so kept out of Hold
	Wait     Moments // from the first refused or queued claim to the grant, of grants that waited
	Gap      Moments // how long the lock was free although somebody waited; 0 at a hand-off
	Counters

	// The laws behind Hold (and Censored) and Wait. They are nil until the lock is
	// contended, since most never are. A plain copy of a Record shares them: see Clone.
	HoldLaw, WaitLaw *Histogram

	aged time.Duration // when Age last made the past fade
}

// Age lets what was observed before now, on the owner's clock, weigh less: half as much
// after an hour. Call it before something is added.
func (r *Record) Age(now time.Duration) {
	if now-r.aged >= time.Minute { // shorter times add up
		r.fade(now)
	}
}

func (r *Record) fade(now time.Duration) {
	factor := FadeFactor(now - r.aged)
	r.aged = now
	for _, m := range []*Moments{&r.Hold, &r.Censored, &r.Wait, &r.Gap} {
		m.Fade(factor)
	}
	for _, h := range []*Histogram{r.HoldLaw, r.WaitLaw} {
		if h != nil {
			h.Fade(factor)
		}
	}
}

// Clone returns a copy that shares no memory with r, to be read without r's mutex.
func (r *Record) Clone() Record {
	c := *r
	c.HoldLaw, c.WaitLaw = r.HoldLaw.Clone(), r.WaitLaw.Clone()
	return c
}

// Merge adds what o knows. It shares no memory with o afterwards.
func (r *Record) Merge(o *Record) {
	r.Hold.Merge(&o.Hold)
	r.Censored.Merge(&o.Censored)
	r.Wait.Merge(&o.Wait)
	r.Gap.Merge(&o.Gap)
	r.Counters.Merge(&o.Counters)
	r.HoldLaw = merged(r.HoldLaw, o.HoldLaw)
	r.WaitLaw = merged(r.WaitLaw, o.WaitLaw)
}

// MergeLaws adds hold and wait times that were kept elsewhere.
func (r *Record) MergeLaws(hold, wait *Histogram) {
	r.HoldLaw, r.WaitLaw = merged(r.HoldLaw, hold), merged(r.WaitLaw, wait)
}

// merged returns into with what h observed added to it; either may be nil.
func merged(into, h *Histogram) *Histogram {
	if into == nil {
		return h.Clone()
	}
	if h != nil {
		into.Merge(h)
	}
	return into
}

// Fields are the record's numbers with their names on the wire, in the order in which they
// are printed. What was never observed is 0, and its count says so. A quantile is also 0
// until there was contention to measure it for: a dashboard wants the same names at all
// times, and nobody wants a guess.
func (r *Record) Fields() []Field {
	f := MomentsFields("hold", &r.Hold, r.HoldLaw, 50, 90, 99)
	f = append(f, CountField("censored_count", r.Censored.Count()),
		MsField("censored_max_ms", float64(r.Censored.Max())))
	f = append(f, MomentsFields("wait", &r.Wait, r.WaitLaw, 50, 99)...)
	f = append(f, MsField("gap_mean_ms", r.Gap.Mean()))
	return append(f, r.Counters.Fields()...)
}

// MomentsFields names what Moments and, if there is one, a Histogram know. Every quantile
// and mean is within what was observed, which the middle of a bucket or a rounded mean may
// not be.
func MomentsFields(of string, m *Moments, law *Histogram, percentiles ...int) []Field {
	f := []Field{
		CountField(of+"_count", m.Count()),
		MsField(of+"_mean_ms", within(m.Mean(), float64(m.Min()), float64(m.Max()))),
		MsField(of+"_stddev_ms", m.Stddev()),
	}
	for _, p := range percentiles {
		x := time.Duration(0)
		if law != nil && law.Quantile(1) > 0 {
			x = clamp(law.Quantile(float64(p)/100), m.Min(), m.Max())
		}
		f = append(f, MsField(of+"_p"+strconv.Itoa(p)+"_ms", float64(x)))
	}
	return append(f,
		MsField(of+"_min_ms", float64(m.Min())),
		MsField(of+"_max_ms", float64(m.Max())))
}
