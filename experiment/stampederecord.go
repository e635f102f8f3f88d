package main

import (
	"math"
	"slices"
	"sync"
	"time"
)

// A record is what the readers of one trial, and the origin, went through. Times are since
// the trial's beginning; readers that come between from and until count. The methods may be
// called from any goroutine.
type record struct {
	mu          sync.Mutex
	from, until time.Duration
	ttl         time.Duration
	delay       time.Duration // a reader that waits longer is delayed

	waits    []float64 // of all readers, in ms
	oldest   time.Duration
	computed int
	under    int // computations under way
	atOnce   int // most of them
	expiry   time.Duration
	origin   profile
}

// begins records that somebody begins to compute.
func (r *record) begins(now time.Duration) (expiry time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under++
	if r.counts(now) {
		r.computed++
		r.atOnce = max(r.atOnce, r.under)
	}
	return r.expiry
}

// ends records the end of a computation. expiry is what begins has returned.
func (r *record) ends(began, now, expiry time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under--
	if r.counts(began) {
		r.origin.add(began-expiry, now-expiry)
	}
}

// stores records that a page was stored, and expires then.
func (r *record) stores(expiry time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expiry = expiry
}

// reads records that a reader has got what it wants.
func (r *record) reads(came, now time.Duration, p page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts(came) {
		r.waits = append(r.waits, ms(now-came))
		r.oldest = max(r.oldest, now-p.made-p.took)
	}
}

func (r *record) counts(at time.Duration) bool { return at >= r.from && at < r.until }

// profile is how many computations are under way, by the time since the page expired.
type profile struct{ busy [bins]time.Duration }

const (
	bins     = 400
	binWidth = 20 * time.Millisecond
	binsFrom = -3 * time.Second
)

func (p *profile) add(from, to time.Duration) {
	for i := range p.busy {
		low := binsFrom + time.Duration(i)*binWidth
		p.busy[i] += max(0, min(to, low+binWidth)-max(from, low))
	}
}

// A stampedeLine is a line of the report. Times are in milliseconds unless they say
// otherwise. What is "per expiry" is per TTL of measured time, or per burst.
type stampedeLine struct {
	Mode    string `json:"mode"` // simulated or live
	Law     string `json:"law"`
	Demand  string `json:"demand"`
	Way     string `json:"way"`
	Readers int    `json:"readers"`

	Computed      Number `json:"computed_per_expiry"`
	AtOnce        int    `json:"computed_at_once"` // most
	Delayed       Number `json:"delayed_per_expiry"`
	DelayedMeanMS Number `json:"delayed_wait_mean_ms"`
	DelayedP99MS  Number `json:"delayed_wait_p99_ms"`
	WaitMeanMS    Number `json:"wait_mean_ms"` // of all readers, who computes included
	WaitP99MS     Number `json:"wait_p99_ms"`
	WaitMaxMS     Number `json:"wait_max_ms"`
	OldestS       Number `json:"oldest_s"` // page that a reader got, since it was computed

	Expiries Number `json:"expiries"`
}

// line makes a line of the record.
func (r *record) line(mode string, t *stampedeTrial) stampedeLine {
	slices.Sort(r.waits)
	n := r.expiries(t)
	at, _ := slices.BinarySearch(r.waits, ms(r.delay))
	delayed := r.waits[at:]
	return stampedeLine{
		Mode: mode, Law: t.law.Name, Demand: t.demand.String(), Way: t.way.name, Readers: len(r.waits),
		Computed: Number(float64(r.computed) / n), AtOnce: r.atOnce,
		Delayed: Number(float64(len(delayed)) / n), DelayedMeanMS: mean(delayed), DelayedP99MS: quantile(delayed, 0.99),
		WaitMeanMS: mean(r.waits), WaitP99MS: quantile(r.waits, 0.99), WaitMaxMS: quantile(r.waits, 1),
		OldestS: Number(r.oldest.Seconds()), Expiries: Number(n),
	}
}

// expiries is how often the page expires while its readers count.
func (r *record) expiries(t *stampedeTrial) float64 {
	if t.demand.burst > 0 {
		return float64(t.config.Rounds)
	}
	return math.Max(1, float64(r.until-r.from)/float64(r.ttl))
}
