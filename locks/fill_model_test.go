package locks

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/store"
)

// TestFillModel has clients get, store and delete a few keys, hang up and send more input while
// they are held, with policies that change, and compares the Manager with a second implementation
// that goes through lists.
// Nobody waits for a value that is there, and there is at most one filler for a key unless one
// fell through.
func TestFillModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	playFills(t, seed, *modelSteps/5, 400*time.Millisecond, time.Second)
}

// FuzzFillModel varies the policies.
func FuzzFillModel(f *testing.F) {
	f.Add(uint64(1), uint16(40), uint16(100))
	f.Add(uint64(2), uint16(0), uint16(5))
	f.Add(uint64(3), uint16(1000), uint16(0))
	f.Fuzz(func(t *testing.T, seed uint64, hold, stale uint16) {
		playFills(t, seed, 300, time.Duration(hold)*tick, time.Duration(stale)*tick)
	})
}

// playFills plays with keys of four policies: both, one of them, none.
func playFills(t *testing.T, seed uint64, steps int, hold, stale time.Duration) {
	config := Config{
		HoldPolicies:  []FillPolicy{{MustPattern("both:*"), hold}, {MustPattern("hold:*"), hold}},
		StalePolicies: []FillPolicy{{MustPattern("both:*"), stale}, {MustPattern("stale:*"), stale}},
	}
	bubble(t, config, func(t *testing.T, m *Manager) {
		w := &fillWorld{t: t, m: m, random: rand.New(rand.NewPCG(seed, 0)), start: time.Now(), hold: hold, stale: stale}
		for _, name := range []string{"both", "hold", "stale"} {
			k := &fillKey{name: name + ":x"}
			if name != "stale" {
				k.hold = hold
			}
			if name != "hold" {
				k.stale = stale
			}
			if k.hold+k.stale > 0 {
				w.keys = append(w.keys, k)
			}
		}
		if len(w.keys) == 0 {
			return
		}
		for range 7 {
			w.clients = append(w.clients, newFillClient(m))
		}
		for step := range steps {
			w.step()
			w.check()
			if t.Failed() {
				t.Fatalf("step %d, after\n%s", step, strings.Join(w.trace, "\n"))
			}
		}
	})
}

type fillWorld struct {
	t       *testing.T
	m       *Manager
	random  *rand.Rand
	start   time.Time
	keys    []*fillKey
	clients []*fillClient
	stores  int
	trace   []string

	hold, stale time.Duration // of the first policies
}

// fillClient is a connection, and what it waits for.
type fillClient struct {
	session *Session
	waits   *fillWait
}

func newFillClient(m *Manager) *fillClient { return &fillClient{session: new(Session)} }

// fillWait is a get that is held, as the Manager sees it and as the model does.
type fillWait struct {
	hold    *Hold
	decided atomic.Bool
	client  *fillClient
	due     time.Duration
	want    string // "" as long as it should wait; "miss", or the value
}

func (p *fillWait) Decided()        { p.decided.Store(true) }
func (p *fillWait) Hurried()        {}
func (p *fillWait) HoldBack() *Hold { return p.hold }

// get returns the value of a key, "miss", or "held" with the wait for it.
func (c *fillClient) get(t *testing.T, m *Manager, key string) (answer string, p *fillWait) {
	p = &fillWait{client: c}
	p.hold = NewHold(p, c.session)
	var r reading
	err := m.Fetch(&Fetch{Key: []byte(key), Session: c.session, Back: p}, &r)
	switch err {
	case nil:
		return r.value, nil
	case ErrHeld:
		p.hold.Seal()
		return "held", p
	case ErrNotFound:
	default:
		t.Error(err)
	}
	return "miss", nil
}

// answer is how a get that was held is answered, once that is decided.
func (p *fillWait) answer(m *Manager) string {
	m.Finish(p.hold)
	defer m.CloseHold(p.hold)
	if it, s := p.hold.Take([]byte(p.hold.first.of.key)); s == Present {
		return string(it.Value())
	}
	return "miss"
}

// fillKey is a key in the model.
type fillKey struct {
	name        string
	hold, stale time.Duration

	value   string // "" if there is none
	expires time.Duration
	spent   bool          // it is not kept beyond its expiry
	dropped time.Duration // when Run looks whether it is
	policy  fillPolicy    // when the filler was told the miss

	filler *fillClient
	until  time.Duration
	holds  bool
	told   []fillTold
	held   []*fillWait
	watch  time.Duration

	lookups, own []bool // the latest eight at most
	time         time.Duration
	quick        bool // fill times are not known to be too long
}

type fillTold struct {
	by    *fillClient
	since time.Duration
	late  bool
	out   int // index from the end of lookups, -1 if none: not modelled further than eight
}

func (w *fillWorld) now() time.Duration { return time.Since(w.start) }

func (w *fillWorld) note(format string, args ...any) {
	if len(w.trace) == 40 {
		w.trace = w.trace[1:]
	}
	w.trace = append(w.trace, fmt.Sprintf("%v: %s", w.now(), fmt.Sprintf(format, args...)))
}

func (w *fillWorld) name(c *fillClient) string { return string(rune('A' + slices.Index(w.clients, c))) }

func (w *fillWorld) step() {
	for _, k := range w.keys {
		w.consult(k)
	}
	k := w.keys[w.random.IntN(len(w.keys))]
	c := w.clients[w.random.IntN(len(w.clients))]
	switch n := w.random.IntN(100); {
	case n < 40:
		w.get(k, c)
	case n < 60:
		w.set(k, c)
	case n < 65:
		w.remove(k)
	case n < 66:
		w.flush()
	case n < 70:
		w.close(c)
	case n < 74:
		w.giveUp(c)
	case n < 76:
		w.pass(w.random.IntN(7000))
	case n < 77:
		w.reconfigure()
	default:
		w.pass(1 + w.random.IntN(12))
	}
}

// reconfigure gives some keys other policies, and some none.
func (w *fillWorld) reconfigure() {
	some := func(d time.Duration) time.Duration { return d * time.Duration(w.random.IntN(5)) / 2 }
	c := w.m.Config()
	c.HoldPolicies, c.StalePolicies = nil, nil
	for _, k := range w.keys {
		if w.random.IntN(3) > 0 {
			k.hold, k.stale = some(w.hold), some(w.stale)
		}
		w.note("%s is held for %v and stale for %v", k.name, k.hold, k.stale)
		p := MustPattern(k.name)
		c.HoldPolicies = append(c.HoldPolicies, FillPolicy{p, k.hold})
		if k.stale > 0 {
			c.StalePolicies = append(c.StalePolicies, FillPolicy{p, k.stale})
		}
	}
	w.m.Reconfigure(c)
}

// present is the policy of the moment or, if there is none, the one with which the fill began.
func (k *fillKey) present() fillPolicy {
	if p := (fillPolicy{hold: k.hold, stale: k.stale}); !p.isZero() {
		return p
	}
	return k.policy
}

// consult asks the Manager for what it has learned of fill times, which the model does not.
func (w *fillWorld) consult(k *fillKey) {
	x, err := w.m.Fill([]byte(k.name))
	want(w.t, "Fill", err, nil)
	k.time = x.Time
	k.quick = x.Holds || !k.filled()
	if x.Holds && (!k.filled() || k.present().hold == 0) {
		w.t.Errorf("%s holds, but %v look-ups were stored", k.name, k.lookups)
	}
}

func count(list []bool) (n int) {
	for _, yes := range list {
		if yes {
			n++
		}
	}
	return n
}

func (k *fillKey) filled() bool { return len(k.lookups) < 8 || count(k.lookups) >= 2 }
func (k *fillKey) isOwn() bool  { return 2*count(k.own) >= len(k.own) }

func push(list []bool, yes bool) []bool {
	list = append(list, yes)
	return list[max(0, len(list)-8):]
}

func (k *fillKey) lookedUp(yes bool) {
	k.lookups = push(k.lookups, yes)
	for i := range k.told {
		if k.told[i].out >= 0 {
			k.told[i].out++
		}
	}
}

// visible is the value that a get may be answered with at once; old says that it has expired.
func (k *fillKey) visible(now time.Duration) (value string, old bool) {
	switch {
	case k.value == "":
	case k.expires > now:
		return k.value, false
	case !k.spent && k.expires+k.stale > now:
		return k.value, true
	}
	return "", false
}

func (k *fillKey) find(c *fillClient) int {
	return slices.IndexFunc(k.told, func(t fillTold) bool { return t.by == c })
}

func (k *fillKey) tell(c *fillClient, now time.Duration) {
	t := fillTold{by: c, since: now, out: -1}
	if i := k.find(c); i >= 0 {
		k.told[i] = t
		return
	}
	k.told = append(k.told[max(0, len(k.told)-maxTold+1):], t)
}

// begin makes c the filler.
func (k *fillKey) begin(c *fillClient, anew bool, now time.Duration) {
	if anew && !k.isOwn() {
		k.told = slices.DeleteFunc(k.told, func(t fillTold) bool { return !t.late })
	}
	k.policy = k.present()
	k.holds = k.policy.hold > 0 && k.filled() && k.quick
	k.tell(c, now)
	k.filler, k.until = c, now+k.time
	k.watch = k.until + watched
}

// idle leaves the key without a filler.
func (k *fillKey) idle() {
	k.filler = nil
	if len(k.told) > 0 {
		k.watch = k.told[len(k.told)-1].since + watched
	}
}

// next is for a filler that has stored nothing.
func (k *fillKey) next(now time.Duration) {
	k.lookedUp(false)
	if i := k.find(k.filler); i >= 0 {
		k.told[i].out = 0
	}
	if len(k.held) == 0 {
		k.idle()
		return
	}
	first := k.held[0]
	k.held = k.held[1:]
	first.want = "miss"
	k.begin(first.client, false, now)
}

func (w *fillWorld) get(k *fillKey, c *fillClient) {
	if c.waits != nil {
		return
	}
	got, p := c.get(w.t, w.m, k.name)
	now := w.now()
	wants := "miss"
	value, old := k.visible(now)
	k.value = value // one that is not kept is removed now
	switch {
	case value != "" && !old:
		wants = value
	case k.hold+k.stale == 0:
	case k.filler == nil:
		k.begin(c, true, now)
	case k.filler == c:
	case old:
		wants = value
	case k.holds && k.hold > 0 && !w.waitsFor(k.filler, c):
		wants = "held"
		p.due = now + k.hold
		k.held = append(k.held, p)
		slices.SortStableFunc(k.held, func(a, b *fillWait) int { return cmp.Compare(a.due, b.due) })
		c.waits = p
	default:
		k.tell(c, now)
	}
	w.note("%s gets %s: %s", w.name(c), k.name, got)
	if got != wants {
		w.t.Errorf("%s got %q, want %q", w.name(c), got, wants)
	}
}

// waitsFor reports whether c waits for another client to fill a key, or for one that does.
func (w *fillWorld) waitsFor(c, other *fillClient) bool {
	if c == other {
		return true
	}
	for _, k := range w.keys {
		if slices.ContainsFunc(k.held, func(p *fillWait) bool { return p.client == c }) {
			return w.waitsFor(k.filler, other)
		}
	}
	return false
}

func (w *fillWorld) set(k *fillKey, c *fillClient) {
	w.stores++
	value := fmt.Sprint("v", w.stores)
	lease := time.Duration(w.random.IntN(40)-2) * tick
	w.note("%s sets %s to %s for %v", w.name(c), k.name, value, lease)
	_, err := w.m.Put(&Put{Op: Set, Key: []byte(k.name), Value: []byte(value), Lease: lease, Session: c.session})
	want(w.t, "set", err, nil)
	now := w.now()
	there := k.value != "" && k.expires > now
	k.value, k.expires, k.spent = value, now+lease, false
	k.dropped = k.expires + store.Linger
	if lease <= 0 {
		k.value = ""
		if there {
			k.invalidate()
		}
		if k.filler != nil {
			k.next(now)
		}
		return
	}
	late := k.storedBy(c, now)
	if k.filler != nil {
		k.lookedUp(true)
	}
	for _, p := range k.held {
		p.want = value
	}
	k.held = nil
	if late {
		k.value = ""
	}
	k.idle()
}

func (k *fillKey) storedBy(c *fillClient, now time.Duration) (late bool) {
	if len(k.told) == 0 {
		return false
	}
	i, isOwn := k.find(c), k.isOwn()
	t := k.told[max(i, 0)]
	switch {
	case i >= 0:
		late = t.late
		k.told = slices.Delete(k.told, i, i+1)
	case !isOwn:
		late = slices.ContainsFunc(k.told, func(t fillTold) bool { return t.late })
		k.told = nil
	case k.filler == nil:
		return false
	}
	if t.out >= 0 && t.out < len(k.lookups) {
		k.lookups[len(k.lookups)-1-t.out] = true
	}
	k.own = push(k.own, i >= 0)
	return late
}

func (k *fillKey) invalidate() {
	for i := range k.told {
		k.told[i].late = true
	}
}

func (w *fillWorld) remove(k *fillKey) {
	w.note("delete %s", k.name)
	err := w.m.Remove(&Removal{Key: []byte(k.name), Session: new(Session)})
	if there := k.value != "" && k.expires > w.now(); there != (err == nil) {
		w.t.Errorf("delete: %v, there: %v", err, there)
	}
	k.value = ""
	k.invalidate()
}

func (w *fillWorld) flush() {
	w.note("flush_all")
	_, err := w.m.Flush(nil)
	want(w.t, "flush", err, nil)
	for _, k := range w.keys {
		k.value = ""
		k.invalidate()
	}
}

// giveUp ends the wait of a client that has sent more.
func (w *fillWorld) giveUp(c *fillClient) {
	if c.waits == nil {
		return
	}
	w.note("%s gives up", w.name(c))
	if w.m.Leave(c.waits.hold, false) {
		w.t.Error("it was decided")
	}
	w.left(c, false)
	w.m.Finish(c.waits.hold)
	c.waits = nil
}

// left takes a client out of the audience of the key it waits for.
func (w *fillWorld) left(c *fillClient, gone bool) {
	for _, k := range w.keys {
		if i := slices.Index(k.held, c.waits); i >= 0 {
			k.held = slices.Delete(k.held, i, i+1)
			if !gone {
				k.tell(c, w.now())
			}
		}
	}
}

// close hangs up, and connects again.
func (w *fillWorld) close(c *fillClient) {
	w.note("%s closes", w.name(c))
	if c.waits != nil {
		if w.m.Leave(c.waits.hold, true) {
			w.t.Error("it was decided")
		}
		w.left(c, true)
		w.m.Finish(c.waits.hold)
	}
	w.m.Close(c.session)
	for _, k := range w.keys {
		i := k.find(c)
		if i < 0 || !k.isOwn() {
			continue
		}
		k.told = slices.Delete(k.told, i, i+1)
		if k.filler == c {
			k.next(w.now())
		}
	}
	w.clients[slices.Index(w.clients, c)] = newFillClient(w.m)
}

// pass lets ticks pass, in the model from one moment that matters to the next.
func (w *fillWorld) pass(ticks int) {
	d := time.Duration(ticks) * tick
	w.note("%v pass", d)
	target := w.now() + d
	pass(d)
	for _, k := range w.keys {
		k.pass(target)
	}
}

func (k *fillKey) pass(target time.Duration) {
	for k.value != "" && k.dropped <= target {
		if until := k.expires + k.stale; !k.spent && until > k.dropped {
			k.dropped = until
		} else {
			k.value = ""
		}
	}
	for {
		at := target + 1
		if k.filler != nil {
			at = k.until
			if len(k.held) > 0 {
				at = min(at, k.held[0].due)
			}
		} else if len(k.told) > 0 {
			at = k.watch
		}
		switch {
		case at > target:
			return
		case k.filler == nil:
			k.told = nil
		case k.until == at:
			k.next(at)
		default:
			p := k.held[0]
			k.held = k.held[1:]
			p.want = "miss"
			k.tell(p.client, at)
		}
	}
}

// checkTold compares who may be computing.
func (w *fillWorld) checkTold(k *fillKey) {
	sh, _ := w.m.shardOf([]byte(k.name))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var got []string
	if f := sh.fillings.of([]byte(k.name)); f != nil {
		for _, t := range f.told {
			got = append(got, fmt.Sprint((t.since+time.Microsecond).Truncate(10*time.Microsecond), t.late))
		}
	}
	var wants []string
	for _, t := range k.told {
		wants = append(wants, fmt.Sprint((t.since+time.Second+time.Microsecond).Truncate(10*time.Microsecond), t.late)) // the Manager's clock begins at 1 s
	}
	if fmt.Sprint(got) != fmt.Sprint(wants) {
		w.t.Errorf("%s: told %v, want %v", k.name, got, wants)
	}
}

// isUntold reports whether the client's wait is over, and it has not been told.
func (c *fillClient) isUntold() bool {
	return c.waits != nil && c.waits.want != "" && !c.waits.decided.Load()
}

// check compares all who wait, and those who do not any more.
func (w *fillWorld) check() {
	synctest.Wait()
	if slices.ContainsFunc(w.clients, (*fillClient).isUntold) { // many are told a moment after the store
		time.Sleep(tellAfter)
		synctest.Wait()
	}
	for _, k := range w.keys {
		k.pass(w.now()) // what was forgotten when somebody else had stored
	}
	for _, c := range w.clients {
		p := c.waits
		if p == nil {
			continue
		}
		if p.decided.Load() != (p.want != "") {
			w.t.Errorf("%s is decided: %v, want %q", w.name(c), p.decided.Load(), p.want)
		}
		if p.want == "" || !p.decided.Load() {
			continue
		}
		if got := p.answer(w.m); got != p.want {
			w.t.Errorf("%s is answered %q, want %q", w.name(c), got, p.want)
		}
		c.waits = nil
	}
	for _, k := range w.keys {
		x, _ := w.m.Fill([]byte(k.name))
		if x.Held != len(k.held) || x.Filling != (k.filler != nil) {
			w.t.Errorf("%s: %d held, filling %v, want %d, %v", k.name, x.Held, x.Filling, len(k.held), k.filler != nil)
		}
		w.checkTold(k)
		if value, old := k.visible(w.now()); value != "" && !old && len(k.held) > 0 {
			w.t.Errorf("%d wait for %s, which is there", len(k.held), k.name)
		}
	}
}

// TestFillMoves has the key that is filled move to another node: who is held is to ask again.
func TestFillMoves(t *testing.T) {
	config := Config{HoldPolicies: []FillPolicy{{MustPattern("page:*"), time.Minute}}}
	bubble(t, config, func(t *testing.T, m *Manager) {
		key := []byte("page:1")
		filler, c := new(Session), newFillClient(m)
		want(t, "the first get", m.Fetch(&Fetch{Key: key, Session: filler}, new(reading)), ErrNotFound)
		p := &fillWait{client: c}
		p.hold = NewHold(p, c.session)
		want(t, "the second", m.Fetch(&Fetch{Key: key, Session: c.session, Back: p}, new(reading)), ErrHeld)
		p.hold.Seal()
		m.Disown(func([]byte) bool { return true })
		synctest.Wait()
		m.Finish(p.hold)
		if _, s := p.hold.Take(key); s != Unknown || !p.decided.Load() {
			t.Errorf("decided: %v, as %d", p.decided.Load(), s)
		}
		if got := m.FillTotals(); got.Held+got.Filling != 0 || got.Bytes != 0 {
			t.Errorf("%+v", got)
		}
		m.Close(filler)
	})
}
