package locks

import (
	"time"

	"github.com/lockcached/lockcached/stats"
	"github.com/lockcached/lockcached/stats/ledger"
)

// Usual is what the advice for a lock goes by: the lock's own holds if there are enough, otherwise
// those of its class.
type Usual struct {
	Mean, P90 time.Duration // of a hold; 0 if they are not known
	// Left and LeftMost are how much longer the present hold will probably last: half of those that
	// got as old end within Left, and nine of ten within LeftMost; 0 if that is not known.
	Left, LeftMost time.Duration
}

// usual fills in what is known of a past, for a hold of that age.
func usual(past *ledger.Past, age time.Duration) (u Usual) {
	past.Consult(func(k ledger.Knowledge) { u = usualOf(k, age) })
	return u
}

func usualOf(k ledger.Knowledge, age time.Duration) (u Usual) {
	u.Mean = time.Duration(k.Mean)
	if k.Holds != nil {
		u.P90 = k.Holds.Quantile(0.9)
	}
	switch {
	case k.Law != nil:
		u.Left, u.LeftMost = k.Law.Residual(age, 0.5), k.Law.Residual(age, 0.9)
	case u.Mean > age:
		u.Left = u.Mean - age
	}
	return u
}

// InLine is somebody who waits for a lock.
type InLine struct {
	Owner  string        // the value that it wants to store, printable and cut; "" if that is not known
	Queued bool          // or polling
	Age    time.Duration // of the wait
	Next   time.Duration // of a poller: until the moment at which it was told to come back; 0 if it was not
}

// SeenHold is a hold in the record of recent events.
type SeenHold struct {
	Owner  string // printable, and cut more than elsewhere
	Token  uint64
	Ago    time.Duration // since it began
	Took   time.Duration // so far, if it goes on
	Wait   time.Duration // how long its holder had waited
	Gap    time.Duration // how long the lock was free before although somebody waited
	Ending string        // released, expired, withdrawn or moved; "" if it goes on
}

// SeenTry is a claim in the record of recent events that was not granted at once.
type SeenTry struct {
	Owner string
	What  Attempt
	Ago   time.Duration
	Wait  time.Duration // in vain, of one that GaveUp
	Count int           // as many tries in quick succession
}

// Detail is all that is known of one lock: what Lookup returns, who waits, and what happened lately.
type Detail struct {
	Lock
	Usual
	Class   string
	Law     *stats.Histogram // of the holds that advice goes by; nil if there are none
	OfClass bool             // they are those of the class
	Idle    time.Duration    // how long the lock has been free now although somebody waits
	Line    []InLine         // the first of those that wait
	Holds   []SeenHold       // the oldest first; none unless Config.Recent
	Tries   []SeenTry
}

// Detail returns all that is known of the lock of a key, with at most that many of those who wait.
// The shard is locked only while that is copied.
func (m *Manager) Detail(key []byte, most int) (d Detail, err error) {
	d.Class = stats.Class(string(key), m.config().ClassDelimiter)
	var raw rawDetail
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	if !m.owns(key) {
		sh.unlock()
		return d, ErrMoved
	}
	sh.forgetAll()
	now := sh.now(nil)
	it := sh.find(hash, key, now)
	d.Lock = sh.present(key, it, nil, now)
	d.Record = sh.record(key, it)
	sh.consult(&d, key, it)
	if l := sh.lines[string(key)]; l != nil {
		if l.freeSince != 0 && !d.Held {
			d.Idle = max(0, now-l.freeSince)
		}
		raw.copyLine(l, most)
	}
	if sh.recent != nil {
		if s, known := sh.recent.strips.Peek(stringOf(key)); known {
			raw.holds, raw.tries = s.holds.copy(), s.tries.copy()
		}
	}
	sh.unlock()
	raw.show(&d, now)
	return d, nil
}

// consult fills in what advice goes by.
func (sh *shard) consult(d *Detail, key []byte, it *item) {
	past := sh.ledger.Likely(key)
	if it != nil && held(it) {
		past = it.Attached.past
	}
	past.Consult(func(k ledger.Knowledge) {
		d.Usual = usualOf(k, d.Age)
		d.OfClass = k.Holds != past.HoldLaw
		d.Law = k.Holds.Clone()
	})
}

// rawDetail is what was copied while the shard was locked.
type rawDetail struct {
	line  []rawWaiter
	holds []pastHold
	tries []try
}

type rawWaiter struct {
	queued      bool
	since, next time.Duration
	identity    uint64 // of a poller
	owner       name
}

// copyLine copies the first that wait.
func (r *rawDetail) copyLine(l *line, most int) {
	r.line = make([]rawWaiter, 0, min(most, l.Waiters()))
	for w := range l.Queue.All() {
		if len(r.line) >= most {
			return
		}
		r.line = append(r.line, rawWaiter{queued: true, since: w.Place().Since, owner: nameOf(w.X.claim.Value)})
	}
	for p := range l.Pollers() {
		if len(r.line) >= most {
			return
		}
		next, _ := p.Promised()
		r.line = append(r.line, rawWaiter{since: p.Place().Since, next: next, identity: p.Value()})
	}
}

// show turns what was copied into what people read.
func (r *rawDetail) show(d *Detail, now time.Duration) {
	names := make(map[uint64]string) // of pollers, as far as their tries were recorded
	for i := range r.tries {
		t := &r.tries[i]
		names[valueHash(t.owner.value())] = printable(t.owner.value())
		d.Tries = append(d.Tries, SeenTry{Owner: printable(t.owner.value()), What: t.what, Ago: now - t.at, Count: int(t.count)})
		if t.what == GaveUp {
			d.Tries[i].Wait = t.wait
		}
	}
	for i := range r.holds {
		h := &r.holds[i]
		seen := SeenHold{Owner: printable(h.owner.value()), Token: h.token, Ago: now - h.since, Took: now - h.since, Wait: h.wait, Gap: h.gap}
		if h.until != 0 {
			seen.Took, seen.Ending = h.until-h.since, endings[h.how]
		}
		d.Holds = append(d.Holds, seen)
	}
	for i := range r.line {
		w := &r.line[i]
		shown := InLine{Owner: printable(w.owner.value()), Queued: w.queued, Age: now - w.since}
		if !w.queued {
			shown.Owner = names[w.identity]
			shown.Next = max(0, w.next-now)
		}
		d.Line = append(d.Line, shown)
	}
}

var endings = map[ledger.Kind]string{
	ledger.Released:  "released",
	ledger.Expired:   "expired",
	ledger.Withdrawn: "withdrawn",
	ledger.Unkept:    "withdrawn",
	ledger.Left:      "moved",
}

// Release ends the hold of a key's lock that has that token, for an operator: ErrNotFound says that
// there is none. It returns when that is kept as safely as the journal promises.
func (m *Manager) Release(key []byte, token uint64) error {
	if !m.Holds(key, token) {
		return ErrNotFound
	}
	err := m.Remove(&Removal{Key: key, HasCompare: true, Compare: token})
	switch err {
	case nil:
		return m.Confirm(m.Mark())
	case ErrExists:
		return ErrNotFound
	}
	return err
}
