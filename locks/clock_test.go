package locks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/journal"
)

// machine is a machine whose wall clock can be set and which can be restarted.
type machine struct {
	boot  string
	since time.Time     // when it was started
	step  time.Duration // how far its wall clock is off
}

func (m *machine) moment() journal.Moment {
	return journal.Moment{BootID: m.boot, Boot: time.Since(m.since), Wall: time.Now().Add(m.step)}
}

func (m *machine) restart() { m.boot, m.since = m.boot+"'", time.Now() }

// serve runs a Manager on the machine's directory until the function it returns is
// called.
func (m *machine) serve(t *testing.T, dir string) (*Manager, func()) {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: dir, Clock: m.moment})
	must(t, err)
	manager := NewManager(Config{Journal: j})
	_, err = manager.Recover()
	must(t, err)
	return manager, func() { must(t, manager.CloseJournal()) }
}

// The wall clock is set while no server runs, for ten of the lease's 60 seconds. As long
// as the machine is not restarted, it does not matter. If it is, the rest of the lease is
// off by as much as the clock was set. But a clock that was set back prolongs a lease by
// at most the time without a server.
func TestWallClockIsSet(t *testing.T) {
	const lease, down = time.Minute, 10 * time.Second
	for _, tt := range []struct {
		name    string
		step    time.Duration
		restart bool
		left    time.Duration
	}{
		{"not at all", 0, false, lease - down},
		{"forward", 3 * time.Hour, false, lease - down},
		{"back", -3 * time.Hour, false, lease - down},
		{"not at all, machine restarted", 0, true, lease - down},
		{"a second forward, machine restarted", time.Second, true, lease - down - time.Second},
		{"forward, machine restarted", 3 * time.Hour, true, 0},
		{"a second back, machine restarted", -time.Second, true, lease - down + time.Second},
		{"back, machine restarted", -3 * time.Hour, true, lease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				machine := &machine{boot: "1", since: time.Now().Add(-time.Hour)}
				dir := t.TempDir()
				m, end := machine.serve(t, dir)
				must(t, newClient(m, "a").add(key, lease))
				token := lookup(m, []byte(key), nil).Token
				end()

				time.Sleep(down)
				machine.step = tt.step
				if tt.restart {
					machine.restart()
				}
				m, end = machine.serve(t, dir)
				defer end()
				l := lookup(m, []byte(key), nil)
				if l.TTL != tt.left || l.Held != (tt.left > 0) {
					t.Errorf("held: %v; %v are left of the lease, want %v", l.Held, l.TTL, tt.left)
				}
				must(t, newClient(m, "a").add("lock:other", lease))
				if next := lookup(m, []byte("lock:other"), nil).Token; next <= token {
					t.Errorf("token %d after %d", next, token)
				}
			})
		})
	}
}

// After a machine has slept, leases are as long on a Manager that was running then as on
// one that starts afterwards.
func TestMachineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machine{boot: "1", since: time.Now().Add(-time.Hour)}
		dir := t.TempDir()
		m, end := machine.serve(t, dir)
		machine.since = machine.since.Add(-time.Hour) // an hour that the process has not seen
		m.measureDrift()
		must(t, newClient(m, "a").add(key, time.Minute))
		end()
		m, end = machine.serve(t, dir)
		defer end()
		if l := lookup(m, []byte(key), nil); l.TTL != time.Minute || l.Age != 0 {
			t.Errorf("%v old, %v left", l.Age, l.TTL)
		}
	})
}
