package locks

import (
	"math"
	"reflect"
	"testing"
	"time"
)

// onlyRead fails the test if a request is not the same once it has been carried out.
func onlyRead[T any](t *testing.T, request *T, carryOut func()) {
	t.Helper()
	before := *request
	carryOut()
	if !reflect.DeepEqual(*request, before) {
		t.Errorf("the request is now %+v; it was %+v", *request, before)
	}
}

// A claim and its wait are only read, whatever becomes of them.
func TestClaimIsOnlyRead(t *testing.T) {
	const size = 64 << 10
	full := Config{MemoryLimit: 4 * size, NoEvict: true}
	for _, tt := range []struct {
		name   string
		config Config
		held   bool
		wait   time.Duration
		size   int
		want   error
	}{
		{name: "granted"},
		{name: "refused", held: true, want: ErrNotStored},
		{name: "queued", held: true, wait: time.Minute, want: ErrQueued},
		{name: "no room to store", config: full, size: 8 * size, want: ErrNoMemory},
		{name: "no room to wait", config: full, held: true, wait: time.Minute, size: 8 * size, want: ErrNotStored},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.config, func(t *testing.T, m *Manager) {
				if tt.held {
					must(t, newClient(m, "holder").add(key, time.Hour))
				}
				claim, p := newClient(m, "b").claim(key, time.Minute), &place{m: m}
				claim.Value = append(claim.Value, make([]byte, tt.size)...)
				claim.Dated, claim.WithLine, claim.WithRetry = true, true, true
				wait := &Wait{For: tt.wait, Waiter: p, Waiting: &p.Waiting}
				onlyRead(t, wait, func() {
					onlyRead(t, claim, func() {
						_, err := m.PutOrWait(claim, wait)
						want(t, "claim", err, tt.want)
						pass(time.Second)
						_ = remove(m, key) // and the lock is handed over
					})
				})
			})
		})
	}
}

// So are the other requests.
func TestRequestsAreOnlyRead(t *testing.T) {
	m, s := NewManager(Config{}), new(Session)
	ignore := viewFunc(func(*View) {})
	look := &Look{Key: metaKey, Session: s, Vivify: true, Touch: true, Lease: time.Minute}
	onlyRead(t, look, func() { must(t, m.Look(look, ignore)) })
	removal := &Removal{Key: metaKey, Session: s, Empty: true}
	onlyRead(t, removal, func() { must(t, m.Remove(removal)) })
	renewal := &Renewal{Key: metaKey, Session: s, Lease: time.Minute}
	onlyRead(t, renewal, func() { must(t, renew(m, renewal)) })
	must(t, remove(m, string(metaKey)))
	delta := &Delta{Key: metaKey, Session: s, By: 1, Vivify: true, Touch: true, Lease: time.Minute}
	onlyRead(t, delta, func() { must(t, m.Count(delta, ignore)) })
}

// A place holds advice of up to 24 days. What is longer is cut to that.
func TestLongestRetry(t *testing.T) {
	const long = 100 * 24 * time.Hour
	bubble(t, Config{Settle: long, RetryMax: long}, func(t *testing.T, m *Manager) {
		claim := newClient(m, "a").claim(key, time.Minute)
		claim.WithLine, claim.WithRetry = true, true
		done, err := m.Put(claim)
		want(t, "claim", err, ErrNotStored)
		if done.Retry() != math.MaxInt32*time.Millisecond {
			t.Errorf("retry after %v", done.Retry())
		}
	})
}
