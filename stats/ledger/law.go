package ledger

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/lockcached/lockcached/stats"
)

// Shared is what several Ledgers know together. Its methods may be called from any
// goroutine, even one that holds the mutex of a Ledger's owner.
type Shared struct {
	delimiter byte
	laws      *lru.Cache[string, *law] // of contended classes
	names     names
}

// NewShared returns what Ledgers share. classes, at least one, is how many classes they keep
// statistics of, and named how many of these have a name in ClassMetrics. delimiter ends the
// class of a key: see stats.Class.
func NewShared(delimiter byte, classes, named int) *Shared {
	s := &Shared{delimiter: delimiter, names: names{limit: named, busy: make(map[string]uint64)}}
	s.laws, _ = lru.New[string, *law](max(1, classes)) // refuses sizes below 1 only
	return s
}

// law is how long the locks of a class are held and waited for, in all Ledgers. It exists
// only once there has been contention: until then a hold takes no second mutex, and counts in
// the HoldLaw of its own Ledger.
type law struct {
	mu         sync.Mutex // guards what follows
	hold, wait stats.Histogram
	moments    stats.Moments // of released holds
	hazard     stats.Hazard
	aged       time.Duration
}

// lawOf is the law of a class, a new one if there is none.
func (s *Shared) lawOf(class string) (_ *law, isNew bool) {
	if l, ok := s.laws.Get(class); ok {
		return l, false
	}
	l := new(law)
	if known, ok, _ := s.laws.PeekOrAdd(class, l); ok {
		return known, false
	}
	return l, true
}

// Grown returns the classes that were contended for the first time since it was last
// called: what other Ledgers know of them must now be gathered, see Gather.
func (l *Ledger) Grown() []string {
	grown := l.grown
	l.grown = nil
	return grown
}

// HasGrown reports whether Grown would return any classes.
func (l *Ledger) HasGrown() bool { return l.grown != nil }

// Gather adds what the Ledger knows of a class to what all of them know together.
func (l *Ledger) Gather(class string) {
	c, ok := l.classes.Peek(class)
	if !ok {
		return
	}
	if law, ok := l.shared.laws.Peek(class); ok {
		c.join(law)
	}
}

// join moves what a Ledger knows of its class to the law in which all Ledgers' holds count.
func (c *class) join(l *law) {
	if c.law != nil {
		return
	}
	c.law = l
	l.mu.Lock()
	l.moments.Merge(&c.Hold)
	if c.HoldLaw != nil {
		l.hold.Merge(c.HoldLaw)
	}
	l.mu.Unlock()
	c.HoldLaw = nil
}

// released and expired record a hold of the lock whose share is given, nil if none is kept.
func (l *law) released(took time.Duration, share *stats.Share) {
	l.mu.Lock()
	share.Add(&l.hold, took)
	l.moments.Add(took)
	l.mu.Unlock()
}

func (l *law) expired(took time.Duration, share *stats.Share) {
	l.mu.Lock()
	share.Censor(&l.hold, took)
	l.mu.Unlock()
}

func (l *law) waited(took time.Duration) {
	l.mu.Lock()
	l.wait.Add(took)
	l.mu.Unlock()
}

// age lets the past fade, as stats.Record does.
func (l *law) age(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if elapsed := now - l.aged; elapsed >= time.Minute {
		l.aged = now
		factor := stats.FadeFactor(elapsed)
		l.hold.Fade(factor)
		l.wait.Fade(factor)
		l.moments.Fade(factor)
	}
}
