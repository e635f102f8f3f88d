package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/locks"
)

// A stampedeSim is a trial in virtual time. The cache is the server's own: package locks, whose
// sessions are told what time it is. Readers are coroutines that run until they have to wait.
type stampedeSim struct {
	stampedeTrial
	agenda
	*record
	manager *locks.Manager
	now     time.Duration

	readers []*simReader
	free    []int // readers that want nothing
	parked  int   // readers that are held
	unsure  bool  // some may not be held any more

	brokenOff bool // nothing takes time any more

	network, comings, computing, jitter *rand.Rand

	mu      sync.Mutex
	decided []*simReader // held no more; guarded by mu, since others are told by another goroutine
	joined  int          // readers that were held, ever
}

const (
	simStart  = 1000 * time.Hour // later than the clock of any Manager
	warmTTLs  = 10               // before readers count
	lessonGap = 10 * time.Second
	// Readers that wait longer than a few round trips are delayed.
	simDelay = 5 * roundTrip
)

// simulate plays the trials on all processors.
func (r *stampedeResults) simulate(ctx context.Context, out *Output) error {
	trials := r.config.trials()
	records := make([]*record, len(trials))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				s := newStampedeSim(trials[i])
				if s.play(ctx) == nil {
					records[i] = s.record
				}
			}
		})
	}
	for i := 0; i < len(trials) && ctx.Err() == nil; i++ {
		t := &trials[i]
		out.progress("[%d/%d] %s %s %s", i, len(trials), t.demand, t.law.Name, t.way.name)
		next <- i
	}
	close(next)
	workers.Wait()
	for i, rec := range records {
		if rec != nil {
			r.add("simulated", &trials[i], rec)
		}
	}
	return ctx.Err()
}

func newStampedeSim(t stampedeTrial) *stampedeSim {
	place := mix(t.law.Name + " " + t.demand.String())
	source := func(what string) *rand.Rand { return rand.New(rand.NewPCG(t.config.Seed, place^mix(what))) }
	s := &stampedeSim{
		stampedeTrial: t, now: simStart, record: &record{ttl: t.config.TTL, delay: simDelay},
		comings: source("arrivals"), computing: source("computing" + t.way.name),
		network: source("network" + t.way.name), jitter: source("chance" + t.way.name),
	}
	var config locks.Config
	t.way.configure(&config, t.config, "page:*")
	s.manager = locks.NewManager(config)
	s.manager.ExpireDue(s.now)
	return s
}

// play plays the trial. Its readers have all got what they want at the end.
func (s *stampedeSim) play(ctx context.Context) (err error) {
	if s.demand.burst > 0 {
		err = s.playBursts(ctx)
	} else {
		err = s.playRate(ctx)
	}
	s.brokenOff = err != nil
	for _, r := range s.readers {
		r.stop()
	}
	return err
}

func (s *stampedeSim) playRate(ctx context.Context) error {
	s.from = s.now + warmTTLs*s.ttl
	s.until = s.from + time.Duration(s.config.Expiries)*s.ttl
	for at := s.now; at < s.until; at += s.demand.next(s.comings) {
		if err := s.runUntil(ctx, at); err != nil {
			return err
		}
		s.arrives("page:hot")
	}
	return s.runUntil(ctx, ttl.Forever)
}

// playBursts has so many readers at once want a page that is not there. The server has seen a
// few pages like it.
func (s *stampedeSim) playBursts(ctx context.Context) error {
	for i := range warmTTLs {
		s.arrives(fmt.Sprint("page:lesson", i))
		if err := s.runUntil(ctx, s.now+lessonGap); err != nil {
			return err
		}
	}
	s.from, s.until = s.now, ttl.Forever
	for i := range s.config.Rounds {
		s.stores(s.now)
		for range s.demand.burst {
			s.arrives(fmt.Sprint("page:burst", i))
		}
		if err := s.runUntil(ctx, ttl.Forever); err != nil {
			return err
		}
		s.now += lessonGap
	}
	return nil
}

// runUntil plays what happens until then, at most until all readers have what they want.
func (s *stampedeSim) runUntil(ctx context.Context, end time.Duration) error {
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		next := ttl.Forever
		if len(s.heap) > 0 {
			next = s.heap[0].at
		}
		busy := len(s.free) < len(s.readers)
		if due := s.manager.Due(); due <= min(next, end) && (busy || end != ttl.Forever) && due != ttl.Forever {
			s.now = max(s.now, due)
			s.manager.ExpireDue(s.now)
			s.unsure = true
			s.resumeDecided()
			continue
		}
		if next > end || len(s.heap) == 0 {
			if end != ttl.Forever {
				s.now = end
			}
			return nil
		}
		s.now = next
		s.step(s.readers[s.agenda.next().client])
	}
}

// arrives has a reader want a page now.
func (s *stampedeSim) arrives(key string) {
	if len(s.free) == 0 {
		s.readers = append(s.readers, newSimReader(s, len(s.readers)))
		s.free = append(s.free, len(s.readers)-1)
	}
	r := s.readers[s.free[len(s.free)-1]]
	s.free = s.free[:len(s.free)-1]
	r.visit.key = key
	s.step(r)
}

// step runs a reader until it has to wait.
func (s *stampedeSim) step(r *simReader) {
	switch d, _ := r.resume(); {
	case d >= 0:
		s.plan(event{at: s.now + d, client: r.number})
	case d == isServed:
		s.free = append(s.free, r.number)
	}
	s.resumeDecided()
}

// resumeDecided lets those go on who were held and are not any more. Many are told by another
// goroutine.
func (s *stampedeSim) resumeDecided() {
	if s.parked == 0 || !s.unsure {
		return
	}
	s.unsure = false
	held := s.manager.FillTotals().Held
	for {
		s.mu.Lock()
		if len(s.decided) == s.parked-held {
			break
		}
		s.mu.Unlock()
		runtime.Gosched()
	}
	decided := s.decided
	s.decided = nil
	s.mu.Unlock()
	s.parked = held
	slices.SortFunc(decided, func(a, b *simReader) int { return a.turn - b.turn })
	for _, r := range decided {
		s.plan(event{at: s.now, client: r.number})
	}
}

// halfTrip is the time from client to server, or back.
func (s *stampedeSim) halfTrip() time.Duration {
	return time.Duration((0.9 + 0.2*s.network.Float64()) * float64(roundTrip/2))
}

// What a reader can yield instead of a time to wait.
const (
	isHeld   time.Duration = -1
	isServed time.Duration = -2
)

// A simReader is a client with a connection of its own. Its clock may run ahead of the
// simulation's, until it does what others notice.
type simReader struct {
	sim     *stampedeSim
	number  int
	visit   visit
	session locks.Session
	ahead   time.Duration

	resume func() (time.Duration, bool)
	stop   func()
	yield  func(time.Duration) bool

	hold *locks.Hold
	turn int // of joined
	got  page
	how  vivified
}

func newSimReader(s *stampedeSim, number int) *simReader {
	r := &simReader{sim: s, number: number}
	r.visit = visit{reader: r, ttl: s.ttl}
	r.resume, r.stop = iter.Pull(func(yield func(time.Duration) bool) {
		r.yield = yield
		for goesOn := true; goesOn; goesOn = yield(isServed) {
			came := s.now
			r.ahead = 0
			p := s.way.read(&r.visit)
			s.reads(came, r.now(), p)
		}
	})
	return r
}

func (r *simReader) now() time.Duration { return r.sim.now + r.ahead }

func (r *simReader) sleep(d time.Duration) { r.ahead += d }

func (r *simReader) chance() *rand.Rand { return r.sim.jitter }

func (r *simReader) gaveUp() bool { return r.sim.brokenOff }

// wait lets the others catch up.
func (r *simReader) wait() {
	d := r.ahead
	r.ahead = 0
	r.yield(d)
}

// ask brings a request to the server. The answer is on its way when the reader goes on.
func (r *simReader) ask() {
	r.ahead += r.sim.halfTrip()
	r.wait()
	r.ahead = r.sim.halfTrip()
	r.session.SetTime(r.sim.now)
}

func (r *simReader) compute() page {
	s := r.sim
	r.wait()
	p := page{made: s.now, took: s.law.hold(s.computing)}
	expiry := s.begins(s.now)
	r.sleep(p.took)
	r.wait()
	s.ends(p.made, s.now, expiry)
	return p
}

func (r *simReader) get(key string) (p page, ok bool) {
	r.ask()
	m := r.sim.manager
	var err error
	if m.Fills() {
		err = m.Fetch(&locks.Fetch{Key: []byte(key), Session: &r.session, Back: r}, r)
	} else {
		err = m.Get([]byte(key), &r.session, r)
	}
	if err == locks.ErrHeld {
		return r.await(key)
	}
	return r.got, err == nil
}

// await returns when a get that is held is answered.
func (r *simReader) await(key string) (p page, ok bool) {
	s, hold := r.sim, r.hold
	r.hold = nil
	if !hold.Seal() {
		s.joined++
		r.turn = s.joined
		s.parked++
		r.yield(isHeld)
	}
	s.manager.Finish(hold)
	defer s.manager.CloseHold(hold)
	it, how := hold.Take([]byte(key))
	if how != locks.Present {
		return p, false
	}
	return decodePage(it.Value()), true
}

// HoldBack is what the server holds back of the present get.
func (r *simReader) HoldBack() *locks.Hold {
	if r.hold == nil {
		r.hold = locks.NewHold(r, &r.session)
	}
	return r.hold
}

// Decided is called when a held get can be answered.
func (r *simReader) Decided() {
	r.sim.mu.Lock()
	r.sim.decided = append(r.sim.decided, r)
	r.sim.mu.Unlock()
}

// Hurried is for gets of several keys.
func (r *simReader) Hurried() {}

// Item takes what a get shows.
func (r *simReader) Item(it *locks.Item) { r.got = decodePage(it.Value()) }

func (r *simReader) set(key string, p page, life time.Duration) {
	r.ask()
	lease := life
	if life == 0 {
		lease = ttl.Forever
	}
	put := &locks.Put{Op: locks.Set, Key: []byte(key), Value: p.encode(), Lease: lease, Session: &r.session}
	if _, err := r.sim.manager.Put(put); err != nil {
		panic(err) // there is memory enough
	}
	r.sim.unsure = true
	r.sim.stores(r.sim.now + r.visit.ttl)
}

func (r *simReader) add(key string, lease time.Duration) (ok bool) {
	r.ask()
	put := &locks.Put{Op: locks.Add, Key: []byte(key), Value: []byte("1"), Lease: lease, Session: &r.session}
	_, err := r.sim.manager.Put(put)
	return err == nil
}

func (r *simReader) delete(key string) {
	r.ask()
	_ = r.sim.manager.Remove(&locks.Removal{Key: []byte(key), Session: &r.session}) // it may have expired
}

func (r *simReader) vivify(key string, lease time.Duration) (p page, how vivified) {
	r.ask()
	view := viewer(func(v *locks.View) {
		if v.Made {
			v.Touch(lease)
		}
		switch {
		case v.Won:
			r.how = won
		case v.Taken:
			r.how = taken
		default:
			r.how = shown
		}
		r.got = decodePage(v.Item.Value())
	})
	look := &locks.Look{Key: []byte(key), Session: &r.session, Vivify: true}
	if err := r.sim.manager.Look(look, view); err != nil {
		panic(err) // there is memory enough
	}
	return r.got, r.how
}

// viewer is a function that is shown an item.
type viewer func(*locks.View)

// View shows it.
func (f viewer) View(v *locks.View) { f(v) }
