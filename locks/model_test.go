package locks

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/stats"
)

var (
	modelSteps = flag.Int("steps", 50_000, "steps of TestModel")
	modelSeed  = flag.Uint64("seed", 0, "seed of TestModel, 0 for a new one")
)

// TestModel makes random claims on a few locks, lets them end in every way there
// is, and compares the Manager with a second implementation, which is a slice for
// each lock: one holder at a time, who was refused first is first in line, rising
// tokens, nobody in line for a free lock.
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d -steps %d", seed, *modelSteps)
	bubble(t, Config{MaxWaiters: modelLine}, func(t *testing.T, m *Manager) {
		newWorld(t, m, seed).play(*modelSteps)
		t.Logf("%d grants, %d hand-offs, %d expiries, %d wait timeouts, %d withdrawn, longest line %d",
			m.Totals().Counters[stats.Acquired], m.Totals().Counters[stats.HandedOff], m.Totals().Counters[stats.Expired], m.Totals().Counters[stats.WaitTimeouts],
			m.Totals().Counters[stats.Withdrawn], m.Totals().WaitersPeak)
	})
}

const (
	modelLocks   = 4
	modelClients = 14
	modelNames   = 9 // values that they store: some store the same
	modelLine    = 5 // the longest line
	tick         = 10 * time.Millisecond
)

// world is the Manager beside its model.
type world struct {
	t       *testing.T
	m       *Manager
	random  *rand.Rand
	start   time.Time
	locks   []*modelLock
	clients []*modelClient
	token   uint64   // the largest before this step
	newest  uint64   // the largest seen so far
	decided []*spot  // whose wait is over, in the model
	trace   []string // the latest steps

	process *process // keeps the locks; nil if they are in memory alone
	nodes   []*node  // which serve the locks in turn, the present one first; nil without a cluster
}

// modelLock is a lock, or an ordinary item in its place.
type modelLock struct {
	key     string
	owner   string // "" when it is free
	isItem  bool
	token   uint64
	expires time.Duration
	line    []*spot
	fresh   *spot // just served, and not told yet
	refused map[*modelClient]*refusal
	kept    []*refusal // of those whose connection is closed
	arrived int        // places given out
}

// spot is a place in line.
type spot struct {
	*place
	client   *modelClient
	since    time.Duration // its first refusal
	number   int           // of those from the same moment
	lease    time.Duration
	deadline time.Duration
	want     string // its outcome
}

// refusal is the place of a client that is expected to ask again.
type refusal struct {
	since, last, interval time.Duration
	number                int
	value                 string // "" if it is the holder's
}

type modelClient struct {
	*client
	at *spot // where it waits
}

func newWorld(t *testing.T, m *Manager, seed uint64) *world {
	w := &world{t: t, m: m, random: rand.New(rand.NewPCG(seed, 0)), start: time.Now()}
	for i := range modelLocks {
		w.locks = append(w.locks, &modelLock{key: fmt.Sprint("lock:", i), refused: make(map[*modelClient]*refusal)})
	}
	for i := range modelClients {
		w.clients = append(w.clients, &modelClient{client: newClient(m, fmt.Sprint("client", i%modelNames))})
	}
	return w
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// some is a whole number of ticks, 1 to most.
func (w *world) some(most int) time.Duration { return time.Duration(1+w.random.IntN(most)) * tick }

func (w *world) note(format string, args ...any) {
	if len(w.trace) == 30 {
		w.trace = w.trace[1:]
	}
	w.trace = append(w.trace, fmt.Sprintf("%v: %s", w.now(), fmt.Sprintf(format, args...)))
}

func (w *world) play(steps int) {
	for step := range steps {
		w.step()
		if w.t.Failed() {
			w.t.Fatalf("step %d, after\n%s", step, strings.Join(w.trace, "\n"))
		}
	}
}

// step does something to one lock, or lets time pass.
func (w *world) step() {
	l := w.locks[w.random.IntN(len(w.locks))]
	c := w.clients[w.random.IntN(len(w.clients))]
	if w.random.IntN(1000) == 0 {
		w.pass(w.some(1500)) // time to be forgotten
	}
	if w.nodes != nil && w.random.IntN(50) == 0 {
		w.move(l, c)
	}
	if w.process != nil && w.random.IntN(50) == 0 {
		w.crash(l, c)
	}
	switch n := w.random.IntN(100); {
	case n < 15:
		w.claim(l, c, 0)
	case n < 45:
		w.claim(l, c, w.some(20))
	case n < 60:
		w.release(l)
	case n < 64:
		w.releaseByToken(l)
	case n < 71:
		w.renew(l)
	case n < 78:
		w.hangUp(c)
	case n < 80:
		w.withdraw(l)
	case n < 82:
		w.set(l)
	case n < 83:
		w.flush()
	default:
		w.pass(w.some(5))
	}
	w.check(l)
	w.token = w.newest
	if err := w.m.Commit(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) claim(l *modelLock, c *modelClient, wait time.Duration) {
	if c.at != nil {
		return // a client waits for one lock at a time
	}
	lease := w.some(10)
	w.note("%s claims %s for %v, waits %v", c.name, l.key, lease, wait)
	p := &place{m: w.m}
	put := c.client.claim(l.key, lease)
	done, err := w.m.PutOrWait(put, &Wait{For: wait, Waiter: p, Waiting: &p.Waiting})
	switch {
	case l.owner == "":
		want(w.t, "claim of a free lock", err, nil)
		l.resume(c)
		l.hold(c.name, w.now()+lease)
		w.rises(done.CAS)
	case wait == 0 || len(l.line) == modelLine:
		want(w.t, "claim without a place in line", err, ErrNotStored)
		if !l.isItem {
			l.refuse(c, nil, w.now())
		}
	default:
		want(w.t, "claim in line", err, ErrQueued)
		c.at = &spot{place: p, client: c, lease: lease, deadline: w.now() + wait}
		l.join(c.at, w.now())
		p.gone.Store(w.random.IntN(5) == 0) // it will not take the answer
	}
}

// join puts a claim in line, where its client was refused first.
func (l *modelLock) join(s *spot, now time.Duration) {
	s.since, s.number = l.placeOf(s.client, now)
	l.enter(s)
}

// enter puts a claim at its place.
func (l *modelLock) enter(s *spot) {
	l.line = append(l.line, s)
	slices.SortFunc(l.line, func(a, b *spot) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.number, b.number))
	})
}

// placeOf is the place that a client has kept, or a new one.
func (l *modelLock) placeOf(c *modelClient, now time.Duration) (since time.Duration, number int) {
	if r := l.resume(c); r != nil {
		return r.since, r.number
	}
	l.arrived++
	return now, l.arrived
}

// refuse records that a client is expected to ask again. It may have waited at some spot.
func (l *modelLock) refuse(c *modelClient, s *spot, now time.Duration) {
	if r := l.refused[c]; r != nil {
		pause := now - r.last
		r.last, r.interval = now, max(pause, r.interval-r.interval/8)
		return
	}
	r := &refusal{last: now}
	if s != nil {
		r.since, r.number = s.since, s.number
	} else {
		r.since, r.number = l.placeOf(c, now)
	}
	if c.name != l.owner {
		r.value = c.name
	}
	l.refused[c] = r
}

// resume takes the place that a client has kept, or that of another one that stored the
// same and closed its connection.
func (l *modelLock) resume(c *modelClient) *refusal {
	if r := l.refused[c]; r != nil {
		delete(l.refused, c)
		return r
	}
	first := -1
	for i, r := range l.kept {
		if r.value == c.name && c.name != l.owner && (first < 0 || r.before(l.kept[first])) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	r := l.kept[first]
	l.kept = slices.Delete(l.kept, first, first+1)
	return r
}

func (r *refusal) before(o *refusal) bool {
	return r.since < o.since || r.since == o.since && r.number < o.number
}

// leave closes a client's connection.
func (l *modelLock) leave(c *modelClient, now time.Duration) {
	r := l.refused[c]
	delete(l.refused, c)
	if r != nil && r.value != "" {
		l.kept = append(l.kept, &refusal{since: r.since, number: r.number, last: now, value: r.value})
	}
}

// forget drops the clients that have given up, and returns how many still ask.
func (l *modelLock) forget(now time.Duration) (polling int) {
	for c, r := range l.refused {
		if now-r.last > min(max(3*r.interval, 10*time.Second), 10*time.Minute) {
			delete(l.refused, c)
		}
	}
	l.kept = slices.DeleteFunc(l.kept, func(r *refusal) bool { return now-r.last > 10*time.Second })
	return len(l.refused)
}

// rises checks that a token is larger than all that were there before this step.
func (w *world) rises(token uint64) {
	if token <= w.token {
		w.t.Errorf("token %d after %d", token, w.token)
	}
	w.newest = max(w.newest, token)
}

func (w *world) release(l *modelLock) {
	w.note("delete %s", l.key)
	err := remove(w.m, l.key)
	if l.owner == "" {
		want(w.t, "delete of a free lock", err, ErrNotFound)
		return
	}
	want(w.t, "delete", err, nil)
	w.end(l)
}

func (w *world) releaseByToken(l *modelLock) {
	token := l.token - uint64(w.random.IntN(2))
	w.note("delete %s if its token is %d", l.key, token)
	err := w.m.Remove(&Removal{Key: []byte(l.key), HasCompare: true, Compare: token})
	switch {
	case l.owner == "":
		want(w.t, "delete of a free lock", err, ErrNotFound)
	case token != l.token:
		want(w.t, "delete by another token", err, ErrExists)
	default:
		want(w.t, "delete by token", err, nil)
		w.end(l)
	}
}

// renew gives a lock a lease that may be over.
func (w *world) renew(l *modelLock) {
	lease := w.some(10) - 2*tick
	w.note("touch %s for %v", l.key, lease)
	err := w.m.Touch([]byte(l.key), lease)
	switch {
	case l.owner == "":
		want(w.t, "touch of a free lock", err, ErrNotFound)
	case lease <= 0:
		w.end(l)
	default:
		want(w.t, "touch", err, nil)
		l.expires = w.now() + lease
	}
}

// set renews a lock, with another value, or stores an item where there is none.
func (w *world) set(l *modelLock) {
	lease := w.some(10)
	w.note("set %s for %v", l.key, lease)
	want(w.t, "set", set(w.m, l.key, "set", lease), nil)
	if l.owner == "" {
		l.isItem = true
	}
	l.owner, l.expires, l.token = "set", w.now()+lease, 0
}

// hangUp ends a wait from the waiter's side.
func (w *world) hangUp(c *modelClient) {
	if c.at == nil {
		w.note("%s closes", c.name)
		w.m.Close(&c.session)
		for _, l := range w.locks {
			l.leave(c, w.now())
		}
		return
	}
	gone := w.random.IntN(2) == 0
	w.note("%s gives up, gone: %v", c.name, gone)
	if w.m.GiveUp(&c.at.Waiting, gone) {
		w.t.Error("its wait was decided before")
	}
	for _, l := range w.locks {
		if i := slices.Index(l.line, c.at); i >= 0 {
			l.line = slices.Delete(l.line, i, i+1)
			if !gone {
				l.refuse(c, c.at, w.now())
			}
		}
	}
	c.at = nil
}

func (w *world) withdraw(l *modelLock) {
	token := l.token - uint64(w.random.IntN(2))
	w.note("withdraw %s, token %d", l.key, token)
	want(w.t, "withdrawal", w.m.Withdraw([]byte(l.key), token), nil)
	if l.owner != "" && !l.isItem && token == l.token {
		w.end(l)
	}
}

func (w *world) flush() {
	w.note("flush_all")
	_, err := w.m.Flush(nil)
	want(w.t, "flush", err, nil)
	for _, l := range w.locks {
		if l.owner != "" {
			w.end(l)
		}
	}
	w.checkAll()
}

// pass lets time pass, in the model from one moment that matters to the next.
func (w *world) pass(d time.Duration) {
	w.note("%v pass", d)
	from := w.now()
	pass(d)
	for now := from + tick; now <= w.now(); now += tick {
		for _, l := range w.locks {
			w.expire(l, now)
		}
	}
	w.checkAll()
}

// expire does what is due: a lease first, then the waits, and only then is the one that
// was served told so.
func (w *world) expire(l *modelLock, now time.Duration) {
	if l.owner != "" && l.expires == now {
		w.next(l, now)
	}
	l.line = slices.DeleteFunc(l.line, func(s *spot) bool {
		if s.deadline == now {
			w.over(s, "timed out")
			l.refuse(s.client, s, now)
		}
		return s.deadline == now
	})
	w.tell(l, now)
}

func (w *world) end(l *modelLock) {
	w.next(l, w.now())
	w.tell(l, w.now())
}

// next makes the first in line the holder.
func (w *world) next(l *modelLock, now time.Duration) {
	l.owner, l.isItem, l.token = "", false, 0
	if len(l.line) > 0 {
		l.fresh, l.line = l.line[0], l.line[1:]
		l.hold(l.fresh.client.name, now+l.fresh.lease)
		delete(l.refused, l.fresh.client)
		w.over(l.fresh, "granted")
	}
}

// tell serves the next in line as long as those served are gone.
func (w *world) tell(l *modelLock, now time.Duration) {
	for l.fresh != nil && l.fresh.gone.Load() {
		l.fresh = nil
		w.next(l, now)
	}
	l.fresh = nil
}

func (w *world) over(s *spot, outcome string) {
	s.want, s.client.at = outcome, nil
	w.decided = append(w.decided, s)
}

func (l *modelLock) hold(owner string, expires time.Duration) {
	l.owner, l.isItem, l.token, l.expires = owner, false, 0, expires
}

// check compares one lock, checkAll all of them.
func (w *world) check(l *modelLock) {
	for _, s := range w.decided {
		if s.String() != s.want {
			w.t.Errorf("%s %v, want %s", s.client.name, s, s.want)
		}
		if s.want == "granted" {
			w.rises(s.Token())
		}
	}
	for _, s := range l.line {
		if s.String() != "waits" {
			w.t.Errorf("%s %v, want to wait", s.client.name, s)
		}
	}
	w.decided = w.decided[:0]
	w.checkHolder(l)
}

func (w *world) checkHolder(l *modelLock) {
	got := lookup(w.m, []byte(l.key), nil)
	if polling := l.forget(w.now()); got.Queued != len(l.line) || got.Polling != polling {
		w.t.Errorf("%d wait for %s and %d poll, want %d and %d", got.Queued, l.key, got.Polling, len(l.line), polling)
	}
	if l.isItem {
		var r reading
		if err := w.m.Get([]byte(l.key), nil, &r); err != nil || r.value != l.owner || got.Held {
			w.t.Errorf("%s is %q, %v; held: %v", l.key, r.value, err, got.Held)
		}
		l.token = r.cas
		return
	}
	if got.Owner != l.owner || got.Held != (l.owner != "") {
		w.t.Errorf("%q holds %s, want %q", got.Owner, l.key, l.owner)
	}
	if got.Held && got.TTL != l.expires-w.now() {
		w.t.Errorf("%s is held for %v, want %v", l.key, got.TTL, l.expires-w.now())
	}
	if l.token != 0 && got.Token != l.token {
		w.t.Errorf("%s has token %d, want %d", l.key, got.Token, l.token)
	}
	l.token = got.Token // seen for the first time after a grant
}

func (w *world) checkAll() {
	for _, l := range w.locks {
		w.check(l)
	}
}
