package locks

import (
	"testing"
	"testing/synctest"
	"time"
)

// at gives the client's session a time for the requests of do.
func (c *client) at(then time.Duration, do func() error) error {
	c.session.SetTime(then)
	defer c.session.SetTime(0)
	return do()
}

// A lease begins at the session's time.
func TestSessionTime(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, m *Manager) {
		a := newClient(m, "a")
		then := m.Now()
		pass(4 * time.Second)
		must(t, a.at(then, func() error { return a.add(key, 10*time.Second) }))
		l := lookup(m, []byte(key), nil)
		if l.Age != 4*time.Second || l.TTL != 6*time.Second {
			t.Errorf("held for %v, %v are left", l.Age, l.TTL)
		}
		pass(6 * time.Second)
		wantOwner(t, m, key, "")
	})
}

// Every request is carried out as of the session's time: before the end of a lease that is over now.
func TestRequestsHaveTheSessionsTime(t *testing.T) {
	k := []byte(key)
	requests := map[string]func(m *Manager, s *Session) error{
		"get":    func(m *Manager, s *Session) error { return m.Get(k, s, new(reading)) },
		"touch":  func(m *Manager, s *Session) error { return renew(m, &Renewal{Key: k, Lease: time.Minute, Session: s}) },
		"delete": func(m *Manager, s *Session) error { return m.Remove(&Removal{Key: k, Session: s}) },
		"mg":     func(m *Manager, s *Session) error { return m.Look(&Look{Key: k, Session: s}, viewing{}) },
		"ma":     func(m *Manager, s *Session) error { return m.Count(&Delta{Key: k, By: 1, Session: s}, viewing{}) },
		"replace": func(m *Manager, s *Session) error {
			_, err := m.Put(&Put{Op: Replace, Key: k, Value: []byte("2"), Lease: time.Minute, Session: s})
			return notFound(err)
		},
		"incr": func(m *Manager, s *Session) error {
			_, _, err := m.Arith(&Delta{Key: k, By: 1, Session: s})
			return err
		},
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewManager(Config{})
				a := newClient(m, "1")
				must(t, a.add(key, 3*time.Second))
				then := m.Now()
				time.Sleep(3 * time.Second)
				must(t, a.at(then, func() error { return request(m, &a.session) }))

				m = NewManager(Config{})
				a = newClient(m, "1")
				must(t, a.add(key, 3*time.Second))
				time.Sleep(3 * time.Second)
				want(t, "now", request(m, &a.session), ErrNotFound)
			})
		})
	}
}

func notFound(err error) error {
	if err == ErrNotStored {
		return ErrNotFound
	}
	return err
}

type viewing struct{}

func (viewing) View(*View) {}

// What one session has seen to be over is over for all, whatever their time.
func TestTimeNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Config{}) // without Run, so that only requests notice
		a, b := newClient(m, "a"), newClient(m, "b")
		must(t, a.add(key, 3*time.Second))
		then := m.Now()
		time.Sleep(5 * time.Second)
		want(t, "add at the earlier time", b.at(then, func() error { return b.add(key, time.Minute) }), ErrNotStored)
		want(t, "delete now", remove(m, key), ErrNotFound)
		must(t, b.at(then, func() error { return b.add(key, time.Minute) }))
		if l := lookup(m, []byte(key), nil); l.Age != 0 || l.TTL != time.Minute {
			t.Errorf("held for %v, %v are left", l.Age, l.TTL)
		}
		if lag := m.Lag(&b.session); lag != 0 {
			t.Errorf("a lag of %v without a time", lag)
		}
	})
}
