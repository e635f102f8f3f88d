package testhost

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Relay stands between clients and a server, and makes trouble.
type Relay struct {
	listener net.Listener

	Away     atomic.Bool  // hang up on everybody
	Asked    atomic.Int32 // connections while away
	every    int32        // lose every such answer, and the connection with it; 0 is none
	answered atomic.Int32
	Lost     atomic.Int32

	mu              sync.Mutex // guards what follows
	network, target string
	conns           map[net.Conn]bool

	busy sync.WaitGroup
}

// NewRelay starts a Relay to a target, which loses every so many-th answer, with the
// connection; 0 is none.
func NewRelay(t *testing.T, network, target string, every int32) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, every: every}
	r.start(t, network, target)
	return r
}

// RelayOn starts a Relay that loses nothing on a listener.
func RelayOn(t *testing.T, l net.Listener, network, target string) {
	r := &Relay{listener: l}
	r.start(t, network, target)
}

// start serves until the test ends.
func (r *Relay) start(t *testing.T, network, target string) {
	r.network, r.target, r.conns = network, target, make(map[net.Conn]bool)
	r.busy.Go(r.serve)
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.HangUp()
		r.busy.Wait()
	})
}

// Addr is where it listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

func (r *Relay) serve() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		if r.Away.Load() {
			r.Asked.Add(1)
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

func (r *Relay) dial() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return net.Dial(r.network, r.target)
}

// SetTarget puts another server in the place of the one there was, for connections to
// come.
func (r *Relay) SetTarget(network, target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.network, r.target = network, target
}

func (r *Relay) track(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range conns {
		r.conns[conn] = true
	}
}

// copy hands on what arrives. The answers are short, and each is asked for by itself:
// one arrives in one piece.
func (r *Relay) copy(to, from net.Conn, answers bool) {
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
			r.Lost.Add(1)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// HangUp cuts all connections.
func (r *Relay) HangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		_ = conn.Close()
	}
}
