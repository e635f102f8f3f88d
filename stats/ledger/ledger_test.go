package ledger

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// books returns n Ledgers that share what they know of classes.
func books(n, keys, classes, named int) (*Shared, []*Ledger) {
	s := NewShared(':', classes, named)
	var all []*Ledger
	for range n {
		all = append(all, New(s, keys, classes))
	}
	return s, all
}

// hold notes a hold from beginning to end.
func (l *Ledger) hold(key string, from, to time.Duration) {
	p := l.Granted([]byte(key))
	l.Note(p, &Event{Kind: Granted, Now: from})
	l.Note(l.Own(p, []byte(key)), &Event{Kind: Released, Now: to, Took: to - from})
}

// Every event counts once for the lock, its class, its metrics and all locks.
func TestNoteCountsEverywhere(t *testing.T) {
	for kind := range numKinds {
		_, all := books(1, 10, 10, 10)
		l := all[0]
		p := l.Of([]byte("lock:user:17"))
		l.Note(p, &Event{Kind: kind, Now: time.Second, Took: time.Second, Waited: true, Token: 7})
		var class stats.Record
		l.MergeClass("lock:user", &class)
		var monitored *ClassMetrics
		l.Metrics(func(name string, c *ClassMetrics) {
			if name == "lock:user" {
				monitored = c
			}
		})
		for counter := range stats.Deadlocks + 1 {
			want := uint64(0)
			if kind.isCounted() && counterOf[kind] == counter {
				want = 1
			}
			got := [...]uint64{p.Count(counter), class.Count(counter), monitored.Count(counter), l.Totals().Count(counter)}
			if got != [...]uint64{want, want, want, want} {
				t.Errorf("event %d: %v are counted %v of the lock, its class, its metrics and all; want %d", kind, counter, got, want)
			}
		}
	}
}

// While one goes through the locks, others may come and take the places of some: each that stays
// is visited once.
func TestEachWhileTheLedgerChanges(t *testing.T) {
	const keys = 100
	_, all := books(1, keys, 10, 10)
	l := all[0]
	for i := range keys {
		l.hold(fmt.Sprint("lock:", i), 0, time.Second)
	}
	visits := make(map[string]int)
	l.Each(func(p *Past) {
		visits[p.Key()]++
		if n := len(visits); n%10 == 0 {
			l.hold(fmt.Sprint("other:", n), 0, time.Second)
		}
	})
	l.Each(func(p *Past) { visits[p.Key()] += 10 })
	once, stayed := 0, 0
	for key, n := range visits {
		switch {
		case n%10 > 1:
			t.Errorf("%s was visited %d times", key, n%10)
		case n == 11:
			once++
		}
		if n >= 10 {
			stayed++
		}
	}
	if stayed != l.Len() || once < keys/2 {
		t.Errorf("%d of %d are visited, %d of them before", stayed, l.Len(), once)
	}
}

// Durations go where they belong, and to the lock and its class alike.
func TestNoteObserves(t *testing.T) {
	_, all := books(1, 10, 10, 10)
	l := all[0]
	p := l.Of([]byte("lock:1"))
	l.Note(p, &Event{Kind: GapEnded, Took: time.Millisecond})
	l.Note(p, &Event{Kind: Granted, Now: time.Second, Waited: true, Took: 2 * time.Millisecond})
	l.Note(p, &Event{Kind: Released, Now: time.Second, Took: 3 * time.Millisecond})
	l.Note(p, &Event{Kind: Granted, Now: time.Second})
	l.Note(p, &Event{Kind: Expired, Now: time.Second, Took: 4 * time.Millisecond, Token: 9})
	l.Note(p, &Event{Kind: HandedOff})
	var class stats.Record
	l.MergeClass("lock", &class)
	for name, r := range map[string]*stats.Record{"lock": &p.Record, "class": &class} {
		if r.Hold.Max() != 3*time.Millisecond || r.Hold.Count() != 1 || r.Censored.Max() != 4*time.Millisecond ||
			r.Wait.Max() != 2*time.Millisecond || r.Wait.Count() != 1 || r.Gap.Max() != time.Millisecond || r.Gap.Count() != 2 {
			t.Errorf("of the %s is known %+v", name, r)
		}
	}
	if p.ExpiredToken() != 9 {
		t.Errorf("the token of the expired hold is %d", p.ExpiredToken())
	}
	l.Note(p, &Event{Kind: Overran})
	if p.ExpiredToken() != 0 {
		t.Error("a hold can be overrun twice")
	}
}

// A lock that is held for the first time has no past of its own until more is known of it;
// what was counted by then is not lost.
func TestFirstHoldTakesNoMemory(t *testing.T) {
	_, all := books(1, 10, 10, 10)
	l := all[0]
	for i := range 5 {
		p := l.Granted(fmt.Appendf(nil, "lock:%d", i))
		l.Note(p, &Event{Kind: Granted})
		if !p.IsShared() || l.Len() != 0 {
			t.Fatalf("%d pasts are kept of locks of which nothing is known", l.Len())
		}
	}
	p := l.Granted([]byte("lock:0"))
	own := l.Own(p, []byte("lock:0"))
	if own.IsShared() || own.Count(stats.Acquired) != 1 || l.Own(own, []byte("lock:0")) != own || l.Len() != 1 {
		t.Errorf("its own past is %+v", own)
	}
	if r := p.Copy(); r.Count(stats.Acquired) != 1 {
		t.Errorf("of a lock that was just granted is known %+v", r)
	}
	var class stats.Record
	if l.MergeClass("lock", &class); class.Count(stats.Acquired) != 5 {
		t.Errorf("%d grants of the class are counted", class.Count(stats.Acquired))
	}
}

// What has not been used for long is forgotten, except for the past of a lock that is held;
// that is remembered again when its hold ends.
func TestForgets(t *testing.T) {
	_, all := books(1, 2, 2, 2)
	l := all[0]
	held := l.Of([]byte("held"))
	l.Note(held, &Event{Kind: Granted})
	for i := range 10 {
		l.hold(fmt.Sprintf("a%d:k", i), 0, time.Second)
	}
	if l.Len() != 2 || l.Known([]byte("held")) != nil || l.Known([]byte("a9:k")) == nil {
		t.Errorf("%d locks are remembered", l.Len())
	}
	l.Note(held, &Event{Kind: Released, Now: time.Second, Took: time.Second})
	if p := l.Known([]byte("held")); p != held || p.Count(stats.Released) != 1 {
		t.Errorf("of the lock that was held is known %+v", p)
	}
	if n := l.Totals().Count(stats.Acquired); n != 11 {
		t.Errorf("%d grants are counted in all", n)
	}
}

// Once a class is contended its holds count together, whichever Ledger sees them.
func TestLawIsShared(t *testing.T) {
	s, all := books(2, 10, 10, 10)
	for i, l := range all {
		for n := range 10 {
			l.hold(fmt.Sprintf("lock:%d", n), 0, time.Duration(i+1)*time.Second)
		}
	}
	all[0].Contended(all[0].Of([]byte("lock:1")))
	for _, class := range all[0].Grown() {
		for _, l := range all {
			l.Gather(class)
		}
	}
	if grown := all[0].Grown(); len(grown) != 0 {
		t.Errorf("%v are new once more", grown)
	}
	var r stats.Record
	s.MergeLaw("lock", &r)
	if r.HoldLaw == nil || r.HoldLaw.Weight() < 19 {
		t.Errorf("the law knows %+v", r.HoldLaw)
	}
	all[1].hold("lock:7", 0, time.Second)
	all[1].Likely([]byte("lock:99")).Consult(func(k Knowledge) {
		if k.Law == nil || k.Weight < 20 {
			t.Errorf("known is %+v", k)
		}
	})
}

// contended notes a hold of a lock for which somebody waits. If it took as long as its lease,
// it has expired.
func (l *Ledger) contended(key string, took, lease time.Duration) *Past {
	p := l.Of([]byte(key))
	l.Note(p, &Event{Kind: Granted})
	l.Contended(p)
	kind := Released
	if took == lease {
		kind = Expired
	}
	l.Note(p, &Event{Kind: kind, Took: took})
	return p
}

// A lock goes by its own holds and by those of the other locks of its class. Its own holds
// count once, although they are among those of its class: they would move the hazard by up to
// a third.
func TestOwnHoldsCountOnce(t *testing.T) {
	const lease = 5 * time.Second
	for _, others := range []int{0, 20, 1000} {
		_, all := books(2, 10, 10, 10)
		var lock *Past
		var other stats.Histogram
		for i := range max(20, others) {
			if i < 20 { // the other lock may go on for long afterwards
				took := time.Duration(100+i) * time.Millisecond
				if i%10 == 9 {
					took = lease
				}
				lock = all[0].contended("lock:1", took, lease)
			}
			if i < others {
				all[1].contended("lock:2", time.Second, lease)
				other.Add(time.Second)
			}
		}
		var want stats.Hazard
		want.Rebuild(lock.HoldLaw, &other, &lock.Hold)
		lock.Consult(func(k Knowledge) {
			for at := time.Millisecond; at < time.Hour; at *= 2 {
				if got, want := k.Law.At(at), want.At(at); math.Abs(got-want) > 0.01*want {
					t.Errorf("beside %d others the hazard up to %v is %v, want %v", others, at, got, want)
				}
			}
		})
	}
}

// The busiest classes have names; all together are the total, whichever have one.
func TestNames(t *testing.T) {
	s, all := books(1, 100, 100, 2)
	l := all[0]
	work := func(class string, times int) {
		for range times {
			l.hold(class+":k", 0, time.Second)
		}
	}
	work("idle", 1)
	work("quiet", 2)
	work("busy", 10)
	counted := func() map[string]uint64 {
		found := make(map[string]uint64)
		l.Metrics(func(name string, c *ClassMetrics) { found[name] += c.Count(stats.Acquired) })
		return found
	}
	if got := fmt.Sprint(counted()); got != "map[idle:1 other:10 quiet:2]" {
		t.Error(got)
	}
	busy := make(map[string]uint64)
	l.EachClass(func(name string, r *stats.Record) { busy[name] = r.Count(stats.Acquired) })
	s.Exchange(busy) // records how busy those with names are
	lost, got := s.Exchange(busy)
	l.Rename(lost, got)
	work("busy", 1)
	work("idle", 1)
	sum := uint64(0)
	for _, n := range counted() {
		sum += n
	}
	if sum != 15 {
		t.Errorf("%v are %d", counted(), sum)
	}
}

// end notes a hold that ends in one of its ways, as package locks does, and reports whether the lock is
// remembered for it.
func (l *Ledger) end(key string, kind Kind) bool {
	p := l.Granted([]byte(key))
	l.Note(p, &Event{Kind: Granted, Now: time.Second})
	l.Note(l.Ended(p, []byte(key), kind), &Event{Kind: kind, Now: 2 * time.Second, Took: time.Second, Token: 7})
	return l.Known([]byte(key)) != nil
}

// Of a class whose locks are used once, few are remembered. Everything is counted all the same.
func TestLocksUsedOnce(t *testing.T) {
	const remembered, jobs = 10, 10_000
	_, all := books(1, remembered, 10, 10)
	l := all[0]
	kept := 0
	for i := range jobs {
		if l.end(fmt.Sprint("job:", i), Released) {
			kept++
		}
	}
	if most := remembered + reuseLeast + jobs/keptOf + 1; kept > most {
		t.Errorf("%d of %d were remembered, want at most %d", kept, jobs, most)
	}
	var class stats.Record
	l.MergeClass("job", &class)
	if class.Count(stats.Acquired) != jobs || class.Count(stats.Released) != jobs || l.Totals().Count(stats.Released) != jobs || class.Hold.Mean() != float64(time.Second) {
		t.Errorf("the class knows %+v", class)
	}
	if got := l.Likely([]byte("job:x")); got.Hold.Count() != 0 {
		t.Errorf("the locks that are not known have a past: %+v", got.Record)
	}
	if !l.end("job:late", Expired) || l.Known([]byte("job:late")).ExpiredToken() != 7 {
		t.Error("a hold that has expired is not remembered: its release would not count as late")
	}
	wanted := l.Of([]byte("job:wanted"))
	l.Contended(wanted)
	if !l.end("job:wanted", Released) {
		t.Error("a lock that was wanted is not remembered")
	}
	if !l.end("other:1", Released) {
		t.Error("a lock of another class is not remembered")
	}
}

// When the locks of a class come again, they are remembered again.
func TestLocksComeAgain(t *testing.T) {
	_, all := books(1, 100, 10, 10)
	l := all[0]
	for i := range 10_000 {
		l.end(fmt.Sprint("job:", i), Released)
	}
	for range 10_000 {
		known := 0
		for i := range 90 {
			if l.end(fmt.Sprint("job:user:", i), Released) {
				known++
			}
		}
		if known == 90 {
			return
		}
	}
	t.Error("they are not remembered in the end")
}

// A grant and a release of a known lock allocate nothing.
func TestNoteDoesNotAllocate(t *testing.T) {
	_, all := books(1, 10, 10, 10)
	l, key := all[0], []byte("lock:user:17")
	l.Contended(l.Of(key))
	if n := testing.AllocsPerRun(100, func() {
		p := l.Granted(key)
		l.Note(p, &Event{Kind: Granted, Now: time.Second, Waited: true, Took: time.Millisecond})
		l.Note(l.Own(p, key), &Event{Kind: Released, Now: time.Second, Took: time.Millisecond})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNote(b *testing.B) {
	_, all := books(1, 10, 10, 10)
	l, key := all[0], []byte("lock:user:17")
	for b.Loop() {
		p := l.Granted(key)
		l.Note(p, &Event{Kind: Granted, Now: time.Second})
		l.Note(l.Own(p, key), &Event{Kind: Released, Now: time.Second, Took: time.Millisecond})
	}
}

// What is known of held locks counts as far as there is no room to remember it anyway, and
// no longer once they are released.
func TestBytes(t *testing.T) {
	const remembered, held = 10, 100
	_, all := books(1, remembered, 10, 10)
	l := all[0]
	var pasts []*Past
	for i := range held {
		key := fmt.Append(nil, "lock:", i)
		p := l.Granted(key)
		l.Note(p, &Event{Kind: Granted})
		if i%2 == 0 {
			p = l.Own(p, key)
			l.Note(p, &Event{Kind: Refused})
			l.Contended(p)
		}
		pasts = append(pasts, p)
	}
	if n, least := l.Bytes(), int64(held/2-remembered)*PastBytes; n < least || n > 3*least {
		t.Errorf("%d bytes are counted for %d locks, want more than %d", n, held/2-remembered, least)
	}
	before := l.Bytes()
	l.Of([]byte("another")) // takes the place of a held one
	if l.Bytes() <= before {
		t.Errorf("%d bytes are counted when one more is not remembered, %d before", l.Bytes(), before)
	}
	for i, p := range pasts {
		if key := fmt.Append(nil, "lock:", i); i%3 == 0 {
			l.Note(p, &Event{Kind: Left})
		} else {
			l.Note(l.Own(p, key), &Event{Kind: Released, Now: time.Second, Took: time.Second})
		}
	}
	if l.Bytes() != 0 || l.Len() != remembered {
		t.Errorf("%d bytes are counted for locks that nobody holds; %d are remembered", l.Bytes(), l.Len())
	}
}
