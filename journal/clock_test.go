package journal

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// machine is a Clock that tests set.
type machine struct {
	mu  sync.Mutex
	now Moment
}

func newMachine() *machine {
	return &machine{now: Moment{BootID: "first", Boot: time.Hour, Wall: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}}
}

func (m *machine) clock() Moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// pass lets time pass on both clocks.
func (m *machine) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Boot += d
	m.now.Wall = m.now.Wall.Add(d)
}

// set changes the wall clock.
func (m *machine) set(by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Wall = m.now.Wall.Add(by)
}

// restart begins the other clock anew, after some time by the wall clock.
func (m *machine) restart(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.BootID += "'"
	m.now.Boot = 10 * time.Second
	m.now.Wall = m.now.Wall.Add(took)
}

// A lease runs on while the process or the machine is down. As long as the machine is not
// restarted, the lease is measured by the machine's clock.
func TestLeasesRunOn(t *testing.T) {
	const left = 10 * time.Minute
	for _, tt := range []struct {
		name string
		down func(m *machine)
		want time.Duration // left of the lease
	}{
		{"process down", func(m *machine) { m.pass(time.Minute) }, 9 * time.Minute},
		{"process down, clock set forward", func(m *machine) { m.pass(time.Minute); m.set(5 * time.Hour) }, 9 * time.Minute},
		{"process down, clock set back", func(m *machine) { m.pass(time.Minute); m.set(-5 * time.Hour) }, 9 * time.Minute},
		{"expired", func(m *machine) { m.pass(time.Hour) }, -50 * time.Minute},
		{"machine down", func(m *machine) { m.restart(2 * time.Minute) }, 8 * time.Minute},
		{"machine down for long", func(m *machine) { m.restart(time.Hour) }, -50 * time.Minute},
		{"machine down, clock set back", func(m *machine) { m.restart(-time.Hour) }, left},
		{"clock unknown", func(m *machine) { m.now.BootID = ""; m.restart(time.Minute); m.now.BootID = "" }, 9 * time.Minute},
		{"another machine, it seems", func(m *machine) { m.now.Boot = time.Second; m.set(time.Minute) }, 9 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine()
			c := Config{Dir: t.TempDir(), Clock: m.clock}
			j, _, _ := open(t, c)
			e := put("a", "alice", 1)
			e.Since, e.Expires = j.Now()-time.Minute, j.Now()+left
			commit(t, j, e, put("b", "for ever", 2))
			crash(j)
			tt.down(m)
			j, _ = reopen(t, c, "a", tt.want, left+time.Minute)
			crash(j)
			m.pass(time.Second) // the journal has two segments by now, maybe of two clocks
			j, _ = reopen(t, c, "a", tt.want-time.Second, left+time.Minute)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// reopen opens a journal and checks what is left of a lock's lease, and how long
// that was when it was granted; every other lock has a lease without end.
func reopen(t *testing.T, c Config, key string, left, length time.Duration) (*Journal, Recovered) {
	t.Helper()
	j, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.Replay(func(e *Entry) {
		switch {
		case string(e.Key) != key:
			if e.Expires != ttl.Forever {
				t.Errorf("the lease of %s ends at %v", e.Key, e.Expires)
			}
		case e.Expires-j.Now() != left || e.Expires-e.Since != length:
			t.Errorf("%v left of %v, want %v of %v", e.Expires-j.Now(), e.Expires-e.Since, left, length)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, r
}

// If the wall clock was set while the process ran, that is not taken for time that passed
// while the machine was down, even if nothing was appended since.
func TestClockSetWhileRunning(t *testing.T) {
	for _, by := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine()
			c := Config{Dir: t.TempDir(), Clock: m.clock}
			j, _, _ := open(t, c)
			e := put("a", "alice", 1)
			e.Since, e.Expires = j.Now(), j.Now()+time.Hour
			commit(t, j, e)
			m.pass(time.Minute)
			m.set(by)
			time.Sleep(time.Second)
			synctest.Wait()
			crash(j)
			m.restart(time.Minute)
			j, _ = reopen(t, c, "a", 58*time.Minute, time.Hour)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The usual clock is the machine's.
func TestMachine(t *testing.T) {
	a := Machine()
	b := Machine()
	if a.BootID == "" || a.BootID != b.BootID || a.Boot <= 0 || b.Boot < a.Boot {
		t.Errorf("%+v, then %+v", a, b)
	}
	if d := b.drift(a); d.Abs() > time.Minute {
		t.Errorf("the wall clock was set by %v in between", d)
	}
}
