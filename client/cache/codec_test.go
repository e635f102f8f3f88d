package cache

import (
	"bytes"
	"testing"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	type page struct{ Title string }
	data, err := JSON[page]{}.Encode(page{"Locks"})
	if err != nil || string(data) != `{"Title":"Locks"}` {
		t.Errorf("encoded as %s, %v", data, err)
	}
	if p, err := (JSON[page]{}).Decode(data); err != nil || p.Title != "Locks" {
		t.Errorf("decoded as %+v, %v", p, err)
	}
	if p, err := (JSON[page]{}).Decode(data[1:]); err == nil {
		t.Errorf("half a value is %+v", p)
	}
	if data, err := (JSON[chan int]{}).Encode(nil); err == nil {
		t.Errorf("a channel is %s", bytes.TrimSpace(data))
	}
}

// TestValueThatCannotBeEncoded: a mistake of the program must show, not make everybody
// compute each time.
func TestValueThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		m := mate(t, address, Config[chan int]{})
		if _, err := m.Get(t.Context(), "page:1", of(make(chan int))); err == nil {
			t.Error("no error")
		}
		m.unlocked()
		m.counted(Stats{Misses: 1, Failed: 1})
	})
}
