package server

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/testenv"
)

// pair returns two connected Unix sockets that do not block.
func pair(t *testing.T) (near, far int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { _, _ = unix.Close(p[0]), unix.Close(p[1]) })
	return p[0], p[1]
}

func testAIO(t *testing.T) *aio {
	t.Helper()
	a, err := newAIO()
	if err != nil {
		testenv.Missing(t, fmt.Errorf("batch calls: %w", err))
	}
	t.Cleanup(a.close)
	return a
}

const notOpen = 1 << 30

// What an aio does to a socket is what read and write do.
func TestAIOIsPlain(t *testing.T) {
	a := testAIO(t)
	big := bytes.Repeat([]byte("x"), 1<<20)
	tests := map[string]struct {
		prepare func(near, far int)
		code    uint16
		call    uintptr
		b       []byte
	}{
		"read":                {func(_, far int) { _, _ = unix.Write(far, []byte("abc")) }, aioRead, syscall.SYS_READ, make([]byte, 10)},
		"read of more":        {func(_, far int) { _, _ = unix.Write(far, []byte("abc")) }, aioRead, syscall.SYS_READ, make([]byte, 2)},
		"read of nothing":     {func(_, _ int) {}, aioRead, syscall.SYS_READ, make([]byte, 10)},
		"read at the end":     {func(_, far int) { _ = unix.Shutdown(far, unix.SHUT_WR) }, aioRead, syscall.SYS_READ, make([]byte, 10)},
		"write":               {func(_, _ int) {}, aioWrite, syscall.SYS_WRITE, []byte("abc")},
		"write of a part":     {func(_, _ int) {}, aioWrite, syscall.SYS_WRITE, big},
		"write without room":  {func(near, _ int) { _, _ = unix.Write(near, big) }, aioWrite, syscall.SYS_WRITE, []byte("abc")},
		"write to one closed": {func(_, far int) { _ = unix.Shutdown(far, unix.SHUT_RDWR) }, aioWrite, syscall.SYS_WRITE, []byte("abc")},
		"not open":            {nil, aioRead, syscall.SYS_READ, make([]byte, 10)},
	}
	// Every other operation is the one to test, so that it comes first, in between and last.
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			prepared := func() (near int) {
				near, far := pair(t)
				if tt.prepare == nil {
					return notOpen
				}
				tt.prepare(near, far)
				return near
			}
			plain := prepared()
			want := result{done: true}
			memory := bytes.Clone(tt.b)
			want.n, want.err = transfer(tt.call, plain, tt.b)
			if want.err == syscall.EBADF {
				want = result{} // a plain call finds out
			}

			const n = 9
			var others [n][]byte
			a.begin(n)
			for i := range n {
				if i%2 == 0 {
					others[i] = bytes.Clone(memory)
					a.add(i, tt.code, prepared(), others[i])
					continue
				}
				near, far := pair(t)
				_, err := unix.Write(far, []byte("other"))
				must(t, err)
				others[i] = make([]byte, 10)
				a.add(i, aioRead, near, others[i])
			}
			must(t, a.run())
			for i := range n {
				switch got := a.results[i]; {
				case i%2 == 0 && (got != want || !bytes.Equal(others[i], tt.b)):
					t.Errorf("operation %d: %+v, %.20q, want %+v, %.20q", i, got, others[i], want, tt.b)
				case i%2 == 1 && (got != result{5, nil, true} || string(others[i][:5]) != "other"):
					t.Errorf("another operation %d: %+v, %q", i, got, others[i])
				}
			}
		})
	}
}

// The ring has room for a full call, however often one is made, and results are told apart.
func TestAIOManyTimes(t *testing.T) {
	a := testAIO(t)
	var near, far [maxOps]int
	for i := range near {
		near[i], far[i] = pair(t)
	}
	b := make([][]byte, maxOps)
	for round := range 50 {
		a.begin(maxOps)
		for i := range maxOps {
			b[i] = []byte{byte(i), byte(round)}
			a.add(i, aioWrite, far[i], b[i][:1+(i+round)%2])
		}
		must(t, a.run())
		a.begin(maxOps)
		for i := range maxOps {
			b[i] = make([]byte, 4)
			a.add(maxOps-1-i, aioRead, near[i], b[i])
		}
		must(t, a.run())
		for i := range maxOps {
			want := result{1 + (i+round)%2, nil, true}
			if got := a.results[maxOps-1-i]; got != want || b[i][0] != byte(i) {
				t.Fatalf("round %d, socket %d: %+v, %q", round, i, got, b[i])
			}
		}
	}
}

// Workers get no more than the bound, and none after the end.
func TestAIOsAreBounded(t *testing.T) {
	testAIO(t)
	var p aios
	var lent []*aio
	for range maxAIOs {
		a := p.take()
		if a == nil {
			testenv.Missing(t, fmt.Errorf("more batch calls: %w", p.refusal()))
		}
		lent = append(lent, a)
	}
	if p.take() != nil {
		t.Error("one too many")
	}
	p.give(lent[0])
	if p.take() != lent[0] {
		t.Error("it makes another one")
	}
	p.close()
	for _, a := range lent {
		p.give(a)
	}
	if p.take() != nil || len(p.idle) > 0 {
		t.Error("there are some after the end")
	}
}
