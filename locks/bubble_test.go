package locks

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test in virtual time, with a Manager that acts on what is due.
func bubble(t *testing.T, c Config, test func(t *testing.T, m *Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, running(t, c)) })
}

// running returns a Manager that acts on what is due until the test ends.
func running(t *testing.T, c Config) *Manager {
	m := NewManager(c)
	go m.Run(t.Context())
	return m
}

// pass lets time pass, and waits until Run has done what is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// client claims locks on one connection. It stores its name.
type client struct {
	m       *Manager
	name    string
	session Session
}

func newClient(m *Manager, name string) *client { return &client{m: m, name: name} }

// claim is the Put of the client's add.
func (c *client) claim(key string, lease time.Duration) *Put {
	return &Put{Op: Add, Key: []byte(key), Value: []byte(c.name), Lease: lease, Session: &c.session}
}

func (c *client) add(key string, lease time.Duration) error {
	_, err := c.m.Put(c.claim(key, lease))
	return err
}

// place is a place in line, as its client sees it.
type place struct {
	Waiting
	m    *Manager
	gone atomic.Bool  // its client cannot take the answer
	how  atomic.Int32 // the Outcome; pending while it waits
}

func (p *place) Served(_ *Waiting, how Outcome) bool {
	if !p.how.CompareAndSwap(int32(pending), int32(how)) {
		panic("a waiter was told twice")
	}
	return !p.gone.Load()
}

func (p *place) String() string {
	return [...]string{pending: "waits", Granted: "granted", TimedOut: "timed out", Moved: "moved", Failed: "failed"}[p.how.Load()]
}

// wait claims a lock that is held, and gets in line for it.
func (c *client) wait(t *testing.T, key string, lease, wait time.Duration) *place {
	t.Helper()
	p, err := c.tryWait(key, lease, wait)
	if err != ErrQueued {
		t.Fatalf("%s does not wait for %s: %v", c.name, key, err)
	}
	return p
}

func (c *client) tryWait(key string, lease, wait time.Duration) (*place, error) {
	p := &place{m: c.m}
	claim := c.claim(key, lease)
	_, err := c.m.PutOrWait(claim, &Wait{For: wait, Waiter: p, Waiting: &p.Waiting})
	return p, err
}

// giveUp leaves the line, unless the wait is over already.
func (p *place) giveUp(gone bool) { p.m.GiveUp(&p.Waiting, gone) }

// enqueue makes clients named by numbers wait for a lock.
func enqueue(t *testing.T, m *Manager, n int, key string, lease, wait time.Duration) (line []*place) {
	t.Helper()
	for i := range n {
		line = append(line, newClient(m, fmt.Sprint(i)).wait(t, key, lease, wait))
	}
	return line
}

// must fails the test if a request was refused.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test if a request did not end as it should.
func want(t *testing.T, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantOutcomes compares the outcomes of waits.
func wantOutcomes(t *testing.T, line []*place, want ...string) {
	t.Helper()
	for i, p := range line {
		if p.String() != want[i] {
			t.Errorf("waiter %d %v, want %s", i, p, want[i])
		}
	}
}

// lookup is what is known of a lock.
func lookup(m *Manager, key []byte, s *Session) Lock {
	l, err := m.Lookup(key, s)
	if err != nil {
		panic(err) // only another node of a cluster could know more
	}
	return l
}

// owner is the owner of a lock, "" if nobody holds it.
func owner(m *Manager, key string) string { return lookup(m, []byte(key), nil).Owner }

func wantOwner(t *testing.T, m *Manager, key, want string) {
	t.Helper()
	if got := owner(m, key); got != want {
		t.Errorf("%q holds %s, want %q", got, key, want)
	}
}

func remove(m *Manager, key string) error { return m.Delete([]byte(key)) }

// set stores an ordinary value.
func set(m *Manager, key, value string, lease time.Duration) error {
	_, err := m.Put(&Put{Op: Set, Key: []byte(key), Value: []byte(value), Lease: lease})
	return err
}

// value reads an item; ok is false if there is none.
func value(m *Manager, key string) (value string, ok bool) {
	var r reading
	err := m.Get([]byte(key), nil, &r)
	return r.value, err == nil
}

// reading is a Reader that keeps what it is shown.
type reading struct {
	value string
	cas   uint64
}

func (r *reading) Item(it *Item) { r.value, r.cas = string(it.Value()), it.CAS() }

func renew(m *Manager, r *Renewal) error {
	_, err := m.Renew(r)
	return err
}
