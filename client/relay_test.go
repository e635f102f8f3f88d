package client

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A relay stands between clients and a server, and makes trouble.
type relay struct {
	listener net.Listener

	away     atomic.Bool  // hang up on everybody
	asked    atomic.Int32 // connections while away
	every    int32        // lose every such answer, and the connection with it; 0 is none
	answered atomic.Int32
	lost     atomic.Int32

	mu              sync.Mutex // guards what follows
	network, target string
	conns           map[net.Conn]bool

	busy sync.WaitGroup
}

func newRelay(t *testing.T, network, target string, every int32) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{network: network, target: target, listener: l, every: every, conns: make(map[net.Conn]bool)}
	r.busy.Go(r.serve)
	t.Cleanup(func() {
		_ = l.Close()
		r.hangUp()
		r.busy.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

func (r *relay) serve() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		if r.away.Load() {
			r.asked.Add(1)
			_ = near.Close()
			continue
		}
		far, err := r.dial()
		if err != nil {
			_ = near.Close()
			continue
		}
		r.track(near, far)
		r.busy.Go(func() { r.copy(far, near, false) })
		r.busy.Go(func() { r.copy(near, far, true) })
	}
}

func (r *relay) dial() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return net.Dial(r.network, r.target)
}

// setTarget puts another server in the place of the one there was, for connections to
// come.
func (r *relay) setTarget(network, target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.network, r.target = network, target
}

func (r *relay) track(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		r.conns[conn] = true
	}
}

// copy hands on what arrives. The answers are short, and each is asked for by itself:
// one arrives in one piece.
func (r *relay) copy(to, from net.Conn, answers bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		r.mu.Lock()
		delete(r.conns, to)
		delete(r.conns, from)
		r.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if answers && r.every > 0 && r.answered.Add(1)%r.every == 0 {
			r.lost.Add(1)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// hangUp cuts all connections.
func (r *relay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		_ = conn.Close()
	}
}
