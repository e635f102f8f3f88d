package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	books "github.com/lockcached/lockcached/stats/ledger"
)

// roundTrip is how long the simulated network takes for a request and its answer,
// give or take a tenth.
const roundTrip = 500 * time.Microsecond

// A trial is one simulated cell of the table: a policy under a load, with a law
// of hold times.
type trial struct {
	policy *Policy
	law    Law
	load   Load
	seed   uint64
	faults
	trace *trace // nil if not wanted
}

// A simulation is a trial being played in virtual time.
type simulation struct {
	trial
	agenda
	ledger
	lock simLock
	now  time.Duration

	clients []simClient
	network *rand.Rand
	holds   *rand.Rand // its own, so that all policies meet the same holds
	chance  *rand.Rand // of the policy's jitter
	comings *rand.Rand
	deaths  *rand.Rand
}

type simClient struct {
	wanted  time.Duration // since when
	asked   time.Duration // when the server first heard of that
	tries   int           // since then
	pause   time.Duration // the latest
	waiting bool          // refused, so the server expects it again
	start   time.Duration // of its use
	end     time.Duration // of its use
	turn    int           // its waits in line so far
	parked  bool
}

// simLock is the lock as the server sees it.
type simLock struct {
	held   bool
	line   []int // parked clients, first in first out
	polls  int   // refused clients that will come back
	server bookkeeping
}

// newSimulation seeds each source of chance separately: what one policy draws must not
// change what another policy gets.
func newSimulation(t trial) *simulation {
	place := mix(t.law.Name + " " + t.load.String())
	source := func(what string) *rand.Rand {
		return rand.New(rand.NewPCG(t.seed, place^mix(what)))
	}
	s := &simulation{
		trial: t, holds: source("holds"), comings: source("arrivals"), deaths: source("deaths"),
		network: source("network" + t.policy.Name), chance: source("chance" + t.policy.Name),
	}
	s.lock.server.init(t)
	return s
}

// mix is FNV-1a.
func mix(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// halfTrip is the time from client to server, or back.
func (s *simulation) halfTrip() time.Duration {
	if s.policy.ideal {
		return 0
	}
	return time.Duration((0.9 + 0.2*s.network.Float64()) * float64(roundTrip/2))
}

// play handles events until there are none left, or done says so.
func (s *simulation) play(ctx context.Context, done func() bool) error {
	for n := 0; len(s.heap) > 0 && !done(); n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e := s.next()
		s.now = e.at
		s.handle(e)
	}
	return nil
}

func (s *simulation) handle(e event) {
	switch e.what {
	case arrival:
		s.arrive(e.client)
	case claimed:
		s.claim(e.client)
	case started:
		s.start(e.client)
	case freed:
		s.release(e.client)
	case expired:
		s.expire(e.client)
	case parkEnded:
		if c := &s.clients[e.client]; c.parked && c.turn == e.turn {
			s.unpark(e.client)
			s.refuse(e.client)
		}
	}
}

// in plans an event for a client.
func (s *simulation) in(d time.Duration, what happening, client int) {
	s.plan(event{at: s.now + d, what: what, client: client})
}

func (s *simulation) arrive(client int) {
	c := &s.clients[client]
	c.wanted, c.tries, c.pause = s.now, 0, 0
	s.wants(s.now)
	s.in(s.halfTrip(), claimed, client)
}

func (s *simulation) claim(client int) {
	c := &s.clients[client]
	c.tries++
	if c.tries == 1 {
		c.asked = s.now
	}
	s.tried()
	s.trace.try(client, s.now, !s.lock.held || s.policy.wait > 0)
	switch {
	case !s.lock.held:
		s.grant(client)
	case s.policy.wait > 0:
		s.park(client)
	default:
		s.refuse(client)
	}
}

func (s *simulation) park(client int) {
	c := &s.clients[client]
	c.parked = true
	s.lock.server.contended()
	c.turn++
	s.lock.line = append(s.lock.line, client)
	if s.policy.wait != ttl.Forever {
		s.plan(event{at: s.now + s.policy.wait, what: parkEnded, client: client, turn: c.turn})
	}
}

// unpark takes a client whose wait is over out of the line. All wait equally
// long, so it is the first.
func (s *simulation) unpark(client int) {
	s.clients[client].parked = false
	s.lock.line = s.lock.line[1:]
}

func (s *simulation) refuse(client int) {
	c := &s.clients[client]
	if !c.waiting {
		c.waiting = true
		s.lock.polls++
	}
	s.lock.server.refused(client)
	r := refusal{nth: c.tries, last: c.pause, rand: s.chance}
	if s.policy.needs&tells != 0 {
		r.scene = s.lock.server.tell(s.now, s.lock.polls)
	}
	if s.policy.needs&advises != 0 {
		r.advice = s.lock.server.advise(client, s.now)
	}
	c.pause = s.policy.pause(&r)
	s.in(s.halfTrip()+c.pause+s.halfTrip(), claimed, client)
}

func (s *simulation) grant(client int) {
	c := &s.clients[client]
	s.lock.server.granted(client, s.now, s.now-c.asked)
	if c.waiting {
		c.waiting = false
		s.lock.polls--
	}
	s.lock.held = true
	s.in(s.halfTrip(), started, client)
}

func (s *simulation) start(client int) {
	c := &s.clients[client]
	c.start = s.now
	s.uses(client, s.now, c.wanted, c.tries)
	c.end = s.now + s.law.hold(s.holds)
	if s.dies(s.deaths) {
		s.plan(event{at: s.leaseEnd(s.lock.server.since, c.end), what: expired, client: client})
		return
	}
	s.plan(event{at: c.end + s.halfTrip(), what: freed, client: client})
}

func (s *simulation) release(client int) {
	c := &s.clients[client]
	s.used(c.start, c.end)
	s.lock.server.ended(books.Released, s.now)
	s.free(client)
}

// expire ends the lease of a client that died instead of releasing the lock.
func (s *simulation) expire(client int) {
	c := &s.clients[client]
	s.died(c.start, c.end, s.now)
	s.lock.server.ended(books.Expired, s.now)
	s.free(client)
}

// free ends a hold, and hands the lock to the next in line. In a closed loop the client, or
// its successor if it has died, will want the lock again.
func (s *simulation) free(client int) {
	c := &s.clients[client]
	s.trace.use(client, c.start, c.end)
	s.lock.held = false
	if len(s.lock.line) > 0 {
		next := s.lock.line[0]
		s.unpark(next)
		s.grant(next)
	}
	if s.load.Kind == closed {
		s.in(s.halfTrip()+s.think(), arrival, client)
	}
}

// clear frees the lock and sends all clients away.
func (l *simLock) clear() {
	l.held, l.line, l.polls = false, nil, 0
	l.server.forget()
}

func (s *simulation) think() time.Duration {
	return time.Duration(s.comings.ExpFloat64() * float64(Think))
}
