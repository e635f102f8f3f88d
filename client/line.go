package client

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/protocol"
)

// A line is a connection on which a claim waits in the server's line. It is not
// gomemcache's, whose requests cannot be called off and end after Timeout: closing it
// takes the claim out of line.
//
// A server may end a wait that has closed a circle of connections which hold and wait.
// So the line on which a lock was granted after a wait belongs to the lock until it is
// unlocked. Locks that were free are too many for that; should a circle only seem to be
// one because of them, the claim is refused and asks again.
type line struct {
	client *Client
	server *peer
	mc     *memcache.Client

	mu   sync.Mutex // guards what follows
	conn net.Conn   // nil before the first one
	dead bool
	why  error // it was hung up in the middle of a wait, if not by whoever waits
}

// keptLines is how many idle lines are kept for each server, unless Config.MaxIdleConns
// is more.
const keptLines = 8

// takeLine returns an idle line, or a new one.
func (c *Client) takeLine(s *peer) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.lines); n > 0 {
		l := s.lines[n-1]
		s.lines = s.lines[:n-1]
		return l
	}
	l := &line{client: c, server: s, mc: memcache.NewFromSelector(single{s.addr})}
	l.mc.MaxIdleConns = 1
	l.mc.DialContext = l.dial
	return l
}

// done keeps the line for the next wait. Nothing is to be done if there is none, or if
// it is dead.
func (l *line) done() {
	if l == nil || l.isDead() {
		return
	}
	s := l.server
	s.mu.Lock()
	keep := !s.away && len(s.lines) < max(keptLines, l.client.config.MaxIdleConns)
	if keep {
		s.lines = append(s.lines, l)
	}
	s.mu.Unlock()
	if !keep {
		l.hangUp()
	}
}

// dropLines closes the idle lines.
func (s *peer) dropLines() {
	s.mu.Lock()
	idle := s.lines
	s.lines = nil
	s.mu.Unlock()
	for _, l := range idle {
		l.hangUp()
	}
}

// dial connects, once in the life of a line.
func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	used := l.dead || l.conn != nil
	l.mu.Unlock()
	if used {
		return nil, net.ErrClosed
	}
	conn, err := l.server.dial(ctx, network, addr, &l.client.dialer)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.conn = conn
	return conn, nil
}

func (l *line) isConnected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && !l.dead
}

func (l *line) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// hangUp closes the connection, which takes who waits on it out of the server's line.
func (l *line) hangUp() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// end hangs up in the middle of a wait, and says why.
func (l *line) end(why error) {
	l.mu.Lock()
	l.why = why
	l.mu.Unlock()
	l.hangUp()
}

func (l *line) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// greet connects, if that is still to be done, and makes sure that it is lockcached at
// the other end of this very connection. A plain memcached would store a claim that
// waits, under a key that means nothing.
func (l *line) greet() error {
	if l.isConnected() {
		return nil
	}
	l.mc.Timeout = l.client.config.Timeout
	_, err := l.mc.Get(ownVersion)
	switch {
	case err == nil:
		l.server.isA(lockcached)
		return nil
	case errors.Is(err, memcache.ErrCacheMiss):
		l.server.isA(plain)
		err = ErrPlain
	}
	l.hangUp()
	return err
}

// add claims a lock and waits in line for it, until it is granted, the wait is over,
// or ctx ends.
func (l *line) add(ctx context.Context, item *memcache.Item, s slice) error {
	stop := context.AfterFunc(ctx, l.hangUp)
	done := l.beginWait(item.Key)
	err := l.send(item, s)
	done()
	calledOff := !stop()
	answered := err == nil || isNotStored(err)
	if calledOff || !answered {
		l.hangUp() // at once, lest it happens to the next who uses the line
	}
	switch why := l.ended(); {
	case calledOff && !answered:
		return interrupted(ctx)
	case why != nil && !answered:
		return why
	}
	return err
}

// beginWait has the server asked whether it is there, once the wait takes long. The caller calls
// done when the wait is over.
func (l *line) beginWait(key string) (done func()) {
	if f := l.client.fleet; f != nil {
		return f.heed(l.server)
	}
	return l.watchPulse(key)
}

// dial connects to the server.
func (s *peer) dial(ctx context.Context, network, addr string, by *Dialer) (net.Conn, error) {
	if s.fleet != nil {
		return s.fleet.dial(ctx, s)
	}
	return by.DialContext(ctx, network, addr)
}

func (l *line) send(item *memcache.Item, s slice) error {
	if !fits(longestWaitPrefix, item.Key) {
		return l.claimByFlag(item, s)
	}
	l.mc.Timeout = s.wait + l.client.config.Timeout
	return l.mc.Add(waiting(item, s))
}

// waiting is a claim that waits in line.
func waiting(claim *memcache.Item, s slice) *memcache.Item {
	item := *claim
	if s.last {
		item.Key = protocol.WaitKey(s.wait, claim.Key)
	} else {
		item.Key = protocol.WaitOnKey(s.wait, claim.Key)
	}
	return &item
}
