package admin

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// MaxConns is how many HTTP connections there are at most, and so how many descriptors they
// take. It is enough for several scrapers, load balancers and people.
const MaxConns = 32

// crowd bounds the connections of an http.Server. To make room for a new one, it closes the one
// that has been idle longest. If new connections had to wait (as with netutil.LimitListener),
// idle ones could keep out the health checks.
type crowd struct {
	mu    sync.Mutex             // guards what follows
	conns map[net.Conn]time.Time // idle since; zero while it has a request
}

// note is the http.Server's ConnState.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.conns[conn]; !known && state != http.StateNew {
		return // it was closed
	}
	switch state {
	case http.StateNew:
		if len(c.conns) >= MaxConns && !c.makeRoom() {
			_ = conn.Close()
			return
		}
		c.conns[conn] = time.Now()
	case http.StateIdle:
		c.conns[conn] = time.Now()
	case http.StateActive:
		c.conns[conn] = time.Time{}
	default:
		delete(c.conns, conn)
	}
}

// makeRoom closes a connection that has no request, if there is one.
func (c *crowd) makeRoom() bool {
	var longest net.Conn
	var since time.Time
	for conn, idle := range c.conns {
		if !idle.IsZero() && (longest == nil || idle.Before(since)) {
			longest, since = conn, idle
		}
	}
	if longest == nil {
		return false
	}
	delete(c.conns, longest)
	_ = longest.Close()
	return true
}
