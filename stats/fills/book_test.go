package fills

import (
	"testing"
	"time"
)

func newTestBook() *Book { return NewBook(NewShared(':', 10), 10) }

const (
	cold = 200 * time.Millisecond
	most = 400 * time.Millisecond
)

// took lets a key be filled n times.
func took(b *Book, key string, n int, d time.Duration) *Key {
	k := b.Of([]byte(key))
	for i := range n {
		b.Took(k, d, true, time.Duration(i+1)*time.Second)
	}
	return k
}

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		d    time.Duration
		want time.Duration
	}{
		{"nothing is known", 0, 0, cold},
		{"one that took no time", 1, 0, cold},
		{"one that took half of what it may", 1, cold, most},
		{"little is known", few - 1, 50 * time.Millisecond, cold},
		{"it takes 50 ms", few, 50 * time.Millisecond, 87500 * time.Microsecond},
		{"it takes 50 ms, always", 200, 50 * time.Millisecond, 75500 * time.Microsecond},
		{"it takes no time", few, 0, leastTime},
		{"it takes nearly as long as may be", few, 350 * time.Millisecond, most},
		{"it takes longer", few, time.Second, most},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newTestBook()
			took(b, "page:1", tt.n, tt.d)
			for _, key := range []string{"page:1", "page:2"} { // its class is known, too
				k := b.Of([]byte(key))
				if got := b.Time(k, cold, most); got < tt.want-tt.want/25 || got > tt.want {
					t.Errorf("%s: %v, want %v", key, got, tt.want)
				}
				if got, want := b.Holds(k, most), tt.d <= most; got != want {
					t.Errorf("%s: holds %v", key, got)
				}
			}
			if got := b.Time(b.Of([]byte("other:1")), cold, most); got != cold {
				t.Errorf("of another class: %v", got)
			}
		})
	}
}

// Nobody is held for a class of whose last eight look-ups fewer than two were stored.
func TestLookups(t *testing.T) {
	b := newTestBook()
	k := b.Of([]byte("none:1"))
	for i := range few {
		if !b.Holds(k, most) {
			t.Errorf("not held after %d look-ups", i)
		}
		b.LookedUp(k, i == 0)
	}
	if b.Holds(k, most) {
		t.Error("held after eight look-ups, one of which was stored")
	}
	late := b.LookedUp(k, false) // the one that was stored is forgotten
	b.LookedUp(k, true)
	if b.Holds(k, most) {
		t.Error("held after one that was stored")
	}
	b.Amend(k, late)
	if !b.Holds(k, most) {
		t.Error("not held after two that were stored")
	}
	b.Amend(k, late-20)
	for range few - 1 {
		b.LookedUp(k, false)
	}
	if b.Holds(k, most) {
		t.Error("held after seven more")
	}
}

func TestOwn(t *testing.T) {
	b := newTestBook()
	k := b.Of([]byte("page:1"))
	if !b.IsOwn(k) {
		t.Error("not own at first")
	}
	b.Took(k, time.Second, false, time.Second)
	if b.IsOwn(k) {
		t.Error("own after one by another connection")
	}
	b.Took(k, time.Second, true, time.Second)
	if !b.IsOwn(k) {
		t.Error("not own after one of each kind")
	}
}

// A key is remembered when it was stored, and no earlier: who asks for keys that do not exist
// makes the Book forget nothing.
func TestRemembersWhatWasStored(t *testing.T) {
	b := newTestBook()
	took(b, "page:1", 1, time.Second)
	for i := range 100 {
		k := b.Of([]byte{'n', ':', byte('a' + i%26), byte('a' + i/26)})
		b.Count(k, Started, 1)
		b.Lasted(k, time.Second, time.Second)
	}
	if b.Len() != 1 || b.Known([]byte("page:1")) == nil || b.Totals()[Started] != 100 {
		t.Errorf("%d keys are known, %d fills", b.Len(), b.Totals()[Started])
	}
	if r, ok := b.shared.Class("n"); !ok || r.Counters[Started] != 100 || r.Censored.Count() != 100 {
		t.Errorf("the class: %v, %+v", ok, r.Counters)
	}
}

// Early is XFetch, later by nothing and earlier by a few pauses between gets.
func TestEarly(t *testing.T) {
	b := newTestBook()
	k := took(b, "page:1", 20, 100*time.Millisecond)
	now := time.Hour
	for _, tt := range []struct {
		left   time.Duration
		random float64
		want   bool
	}{
		{90 * time.Millisecond, 1, true},
		{110 * time.Millisecond, 1, false},
		{190 * time.Millisecond, 0.36, true}, // -ln 0.36 is just above 1
		{220 * time.Millisecond, 0.36, false},
		{10 * time.Second, 0.5, false},
		{10 * time.Second, 0, false},
	} {
		if got := b.Early(k, 1, tt.left, tt.random, now); got != tt.want {
			t.Errorf("%v before the expiry, with %v: %v", tt.left, tt.random, got)
		}
		if tt.want && !b.MayBeEarly(1, tt.left) {
			t.Errorf("%v before the expiry it may not be early", tt.left)
		}
	}
	if b.MayBeEarly(1, time.Minute) {
		t.Error("it may be early a minute before the expiry")
	}
	for range 50 { // a get every 20 ms
		now += 20 * time.Millisecond
		b.Early(k, 1, time.Hour, 1, now)
	}
	if !b.Early(k, 1, 240*time.Millisecond, 1, now+20*time.Millisecond) {
		t.Error("it does not take the pauses between gets into account")
	}
	if b.Early(b.Of([]byte("new:1")), 1, 0, 1, now) {
		t.Error("early although no fill time is known")
	}
}
