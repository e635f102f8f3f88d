package protocol

import (
	"strings"
	"testing"
)

// free is how many bytes are left of an Allowance.
func (a *Allowance) free() int64 { return a.left.Load() }

func TestAllowance(t *testing.T) {
	a := NewAllowance(10)
	for _, tt := range []struct {
		n    int
		want bool
	}{{4, true}, {7, false}, {6, true}, {1, false}, {0, true}} {
		if got := a.Take(tt.n); got != tt.want {
			t.Errorf("take %d: %v", tt.n, got)
		}
	}
	a.Give(6)
	if a.free() != 6 || !(*Allowance)(nil).Take(1<<40) {
		t.Errorf("%d are left", a.free())
	}
}

// A data block larger than the ordinary buffer is refused when the shared memory is used up, and
// the connection goes on.
func TestReadersShareMemory(t *testing.T) {
	shared := NewAllowance(100_000)
	readers := make([]Reader, 3)
	for i := range readers {
		readers[i] = NewReader(1 << 20)
		readers[i].Share(shared)
	}
	first, second, third := &readers[0], &readers[1], &readers[2]
	value := strings.Repeat("x", 40_000)
	wantLines(t, feed(first, "set a 0 0 40000\r\n"+value))
	if free := shared.free(); free != 100_000-40_000-len64("set a 0 0 40000\r\n\r\n") {
		t.Errorf("%d bytes are left", free)
	}
	wantLines(t, feed(second, "ms key 60000 Oq\r\n"+value))
	wantLines(t, feed(third, "set c 0 0 40000\r\n"+value+"\r\nget c\r\n"),
		`SERVER_ERROR out of memory storing object`, `get ["c"]`)
	wantLines(t, feed(third, "set c 0 0 10000\r\n"+value[:10_000]+"\r\n"), // which needs no more memory
		`set "c" value="`+value[:10_000]+`"`)

	second.Close()
	wantLines(t, feed(first, "\r\n"), `set "a" value="`+value+`"`)
	first.Release()
	third.Close()
	if free := shared.free(); free != 100_000 {
		t.Errorf("%d bytes are left when nobody has any", free)
	}
}

func len64(s string) int64 { return int64(len(s)) }

func TestAllowanceResize(t *testing.T) {
	a := NewAllowance(10)
	if !a.Take(8) {
		t.Error("8 of 10 are refused")
	}
	a.Resize(5)
	if a.Take(1) {
		t.Error("more than 5 are taken")
	}
	a.Give(4)
	if !a.Take(1) || a.Take(1) {
		t.Errorf("%d are left of 5, with 5 taken", a.free())
	}
	a.Resize(20)
	if !a.Take(15) || a.Take(1) {
		t.Errorf("%d are left of 20", a.free())
	}
}
