package client

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// A node that is stopped, or whose machine is gone, says nothing, and its connections stay. A
// request may wait for an answer for as long as the nodes have patience with each other, and a
// claim in line much longer. So a node that has something of ours for a while is asked on
// another connection whether it is there. If it is not, its connections are cut, and whoever waits on
// them goes on to another node.

const (
	// heedAfter is how long a request may take before the node is asked.
	heedAfter = 500 * time.Millisecond
	// pingTime is how long the node may take to answer, and silentPings how often it may fail to.
	pingTime    = 500 * time.Millisecond
	silentPings = 2
)

// heed has the node asked whether it is there, once what begins now takes long. The caller calls
// done when it is over.
func (f *fleet) heed(p *peer) (done func()) {
	p.mu.Lock()
	p.busy++
	p.mu.Unlock()
	timer := time.AfterFunc(heedAfter, func() { f.feelPulse(p) })
	return func() {
		timer.Stop()
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
	}
}

// feelPulse asks a node whether it is there, until it has nothing of ours any more.
func (f *fleet) feelPulse(p *peer) {
	if f.client.begin() != nil {
		return
	}
	defer f.client.pending.Done()
	if !p.takePulse() {
		return
	}
	silent := 0
	v := vigil{fleet: f, peer: p}
	defer v.hangUp()
	for p.isBusy() {
		err := v.ping(f.client.closing)
		if err == nil || !isAway(err) {
			silent = 0
			if !ctxtime.Sleep(f.client.closing, pulseEvery*3/4+rand.N(pulseEvery/2)) {
				return
			}
			continue
		}
		if silent++; silent == silentPings {
			f.client.log.Warn("node has fallen silent", "server", p.name, "error", err)
			silent = 0
			p.cut()
		}
	}
}

// isBusy reports whether the node has something of ours. If it has not, nobody asks any more.
func (s *peer) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulsed = s.busy > 0
	return s.pulsed
}

// A vigil asks a node whether it is there, on a connection of its own.
type vigil struct {
	fleet *fleet
	peer  *peer
	conn  net.Conn // nil if the latest one has failed
}

func (v *vigil) ping(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if v.conn == nil {
		v.conn, err = v.fleet.dial(ctx, v.peer)
		return err
	}
	r, err := greet(ctx, v.conn)
	if err == nil {
		err = v.fleet.learn(v.peer, &r)
	}
	if err != nil {
		v.hangUp()
	}
	return err
}

func (v *vigil) hangUp() {
	if v.conn != nil {
		_ = v.conn.Close()
		v.conn = nil
	}
}

// A tracked connection can be cut.
type tracked struct {
	net.Conn
	peer *peer
}

func (s *peer) track(conn net.Conn) net.Conn {
	t := &tracked{conn, s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[t] = true
	return t
}

func (t *tracked) Close() error {
	t.peer.mu.Lock()
	delete(t.peer.conns, t)
	t.peer.mu.Unlock()
	return t.Conn.Close()
}

// cut closes all connections to the node.
func (s *peer) cut() {
	s.mu.Lock()
	conns := s.conns
	s.conns = make(map[*tracked]bool)
	s.mu.Unlock()
	for t := range conns {
		_ = t.Conn.Close()
	}
}
