package clienttest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// In a bubble an hour is over at once.
func TestInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clienttest.New()
		defer fake.Close()
		began := time.Now()
		ann, bob := fake.Client(), fake.Client()
		hers, err := ann.Lock(t.Context(), "k", client.TTL(time.Hour))
		is(t, "lock", err, nil)
		_, err = bob.Lock(t.Context(), "k", client.Wait(10*time.Minute))
		is(t, "lock", err, client.ErrHeld)
		his, err := bob.Lock(t.Context(), "k")
		is(t, "lock", err, nil)
		if took := time.Since(began); took < time.Hour || took > time.Hour+time.Second {
			t.Errorf("a lease of an hour ended after %v", took)
		}
		is(t, "unlock", hers.Unlock(), client.ErrLost)
		is(t, "unlock", his.Unlock(), nil)
	})
}

// A server that was away is found again, with its locks.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clienttest.New()
		defer fake.Close()
		c := fake.Client()
		l, err := c.Lock(t.Context(), "k", client.TTL(time.Hour), client.KeepAlive())
		is(t, "lock", err, nil)
		fake.SetAway(true)
		_, err = c.TryLock(t.Context(), "other")
		is(t, "while it is away", err, client.ErrUnavailable)
		if !fake.Held("k") || fake.Held("other") {
			t.Error("a lock is gone, or new")
		}
		time.Sleep(30 * time.Minute)
		is(t, "renew", l.Renew(t.Context(), 0), client.ErrUnavailable)
		fake.SetAway(false)
		time.Sleep(25 * time.Minute)
		is(t, "the lock's context", l.Context().Err(), nil)
		is(t, "unlock", l.Unlock(), nil)
	})
}

func TestHold(t *testing.T) {
	fake := clienttest.New()
	defer fake.Close()
	release, err := fake.Hold("k")
	is(t, "hold", err, nil)
	_, err = fake.Hold("k")
	is(t, "hold again", err, client.ErrHeld)
	_, err = fake.Client().TryLock(t.Context(), "k")
	is(t, "trylock", err, client.ErrHeld)
	if !fake.End("k") || fake.End("k") {
		t.Error("a lock is not ended once")
	}
	release()
	l, err := fake.Client().TryLock(t.Context(), "k")
	is(t, "trylock", err, nil)
	release()
	is(t, "unlock", l.Unlock(), nil)
}
