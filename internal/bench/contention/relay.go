//go:build linux

package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// A relay stands between the clients and their server. It records when they send something,
// and can play a server that is away: then it closes all connections at once.
type relay struct {
	net.Listener
	server string

	mu    sync.Mutex // guards what follows
	away  bool
	conns map[net.Conn]struct{} // of clients
	sent  []time.Time           // requests and, while it is away, connections
}

func newRelay(server string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{Listener: l, server: server, conns: make(map[net.Conn]struct{})}
	go r.serve()
	return r, nil
}

func (r *relay) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		go r.carry(conn)
	}
}

// note records that a client has sent something, and reports whether there is a server.
func (r *relay) note() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, time.Now())
	return !r.away
}

// carry passes on what a client and the server say to each other.
func (r *relay) carry(conn net.Conn) {
	defer conn.Close()
	r.mu.Lock()
	away := r.away
	r.conns[conn] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, conn)
	}()
	if away {
		r.note()
		return
	}
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer conn.Close()
		_, _ = io.Copy(conn, server)
	}()
	buf := make([]byte, 4096) // a request is smaller, and comes in one piece
	for {
		n, err := conn.Read(buf)
		if err != nil || !r.note() {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// leave plays a server that is killed: all connections end.
func (r *relay) leave() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = true
	for conn := range r.conns {
		_ = conn.Close()
	}
	return time.Now()
}

// comeBack plays a server that is started again.
func (r *relay) comeBack() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = false
	return time.Now()
}

// rates counts, in slots of time, what was sent from a moment on.
func (r *relay) rates(from time.Time, slot time.Duration, slots int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make([]int, slots)
	for _, at := range r.sent {
		if i := int(at.Sub(from) / slot); !at.Before(from) && i < slots {
			counts[i]++
		}
	}
	return counts
}
