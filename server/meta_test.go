package server

import (
	"net"
	"testing"

	"github.com/lockcached/lockcached/locks"
)

// TestMetaAllocatesNothing claims, reads, renews and releases a lock. (Waiting in line does
// take memory; another test measures that.)
func TestMetaAllocatesNothing(t *testing.T) {
	client, remote := net.Pipe()
	defer client.Close()
	defer remote.Close()
	c := newStream(New(Config{Locks: locks.NewManager(locks.Config{})}), remote).conn
	const batch = "ms job 5 ME T30 c s w p O1\r\nalice\r\nms job 3 MR T30 q\r\nbob\r\n" +
		"mg job v t c k O2\r\nmg job T30 q\r\nma job q\r\nma n N0 J5 v t\r\nmg none N30 v\r\n" +
		"md none q\r\nmd n q\r\nmd job k O3\r\nmn\r\n"
	handle := func() {
		c.in.Advance(copy(c.in.Space(), batch))
		if !c.handleBuffered() {
			t.Fatal("closed")
		}
		c.out.Drop()
	}
	if n := testing.AllocsPerRun(200, handle); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
