package ledger

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// Past is what is known of the past of one lock. Its Record may be read, but only
// Ledger.Note changes it.
type Past struct {
	stats.Record
	key        string // "" for the locks of a class of which nothing else is known
	class      *class
	listed     bool        // among those that the Ledger remembers
	held       bool        // its lock is held, so it stays even if not listed
	at         int32       // its place in the Ledger, if it is listed
	counted    int64       // in Ledger.bytes
	contention *Contention // nil until somebody had to wait
	expired    uint64      // token of the latest hold, if that expired
}

// IsShared reports whether the Past stands for all locks of a class of which only the class
// is known. Its counts mean nothing.
func (p *Past) IsShared() bool { return p.key == "" }

// Key is the lock's key.
func (p *Past) Key() string { return p.key }

// Copy is what is known of the lock, sharing no memory with the Ledger. For a lock that was
// only just granted for the first time, that is the grant alone.
func (p *Past) Copy() stats.Record {
	if p.IsShared() {
		var r stats.Record
		r.Counters[stats.Acquired] = 1
		return r
	}
	return p.Clone()
}

// ExpiredToken is the token of the latest hold that has ended, if its lease ended it and no
// release of it has come too late since; otherwise 0.
func (p *Past) ExpiredToken() uint64 { return p.expired }

// Contention is what is known of the lock since somebody first had to wait for it, nil
// if nobody had to.
func (p *Past) Contention() *Contention { return p.contention }

// class is what one Ledger knows of all locks of a class. A reader merges the Ledgers.
type class struct {
	stats.Record
	name    string
	listed  bool
	at      int32    // its place in the Ledger, if it is listed
	metrics *metrics // see tallied
	law     *law     // nil until one of its locks was contended
	unknown Past     // stands for those of its locks of which nothing else is known
	reuse   reuse
}

// tallied is the metrics in which the class counts.
func (c *class) tallied() *metrics {
	if c.metrics.into != nil {
		c.metrics = c.metrics.into
	}
	return c.metrics
}

// age lets the past of the lock and of its class fade.
func (p *Past) age(now time.Duration) {
	if !p.IsShared() {
		p.Age(now)
	}
	p.class.Age(now)
	if p.class.law != nil {
		p.class.law.age(now)
	}
}

func (p *Past) released(took time.Duration) {
	if !p.IsShared() {
		p.Hold.Add(took)
	}
	p.class.Hold.Add(took)
	p.class.tallied().Hold.Add(took)
	if p.HoldLaw != nil {
		p.HoldLaw.Add(took)
	}
	if law := p.class.law; law != nil {
		law.released(took, p.share())
	} else {
		p.class.HoldLaw.Add(took)
	}
}

func (p *Past) censored(took time.Duration) {
	p.Censored.Add(took)
	p.class.Censored.Add(took)
	if p.HoldLaw != nil {
		p.HoldLaw.Censor(took)
	}
	if law := p.class.law; law != nil {
		law.expired(took, p.share())
	} else {
		p.class.HoldLaw.Censor(took)
	}
}

// share is how much of the law of its class comes from the lock, nil until somebody had to
// wait for it.
func (p *Past) share() *stats.Share {
	if p.contention == nil {
		return nil
	}
	return &p.contention.share
}

func (p *Past) granted(e *Event) {
	if e.Waited {
		p.waited(e.Took)
	}
	if p.contention != nil {
		p.contention.granted(e.Now, e.Waited)
	}
}

func (p *Past) waited(took time.Duration) {
	p.Wait.Add(took)
	p.class.Wait.Add(took)
	p.class.tallied().Wait.Add(took)
	if p.WaitLaw != nil {
		p.WaitLaw.Add(took)
	}
	if law := p.class.law; law != nil {
		law.waited(took)
	}
}

func (p *Past) gap(took time.Duration) {
	p.Gap.Add(took)
	p.class.Gap.Add(took)
	p.class.tallied().Gap.Add(took)
}
