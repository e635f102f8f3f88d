package server

import (
	"sync/atomic"
	"time"
)

// sweep cuts off, once a second, the connections that have kept the server waiting for too
// long. Checking every connection costs less than a timer for each. It runs until alone is
// closed.
func (s *Server) sweep(alone <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweepOnce()
		case <-alone:
			return
		}
	}
}

func (s *Server) sweepOnce() {
	var unread, unfinished int
	now := s.now()
	s.mu.Lock()
	for c := range s.conns {
		counter := c.overdue(now)
		if counter == nil || c.kicked {
			continue
		}
		switch counter {
		case &s.counts.unreadKicks:
			unread++
		case &s.counts.unfinishedKicks:
			unfinished++
		}
		c.kicked = true
		counter.Add(1)
		c.transport.cutOff()
	}
	s.mu.Unlock()

	if unread+unfinished > 0 {
		s.config.Logger.Warn().Int("unread_answers", unread).Int("unfinished_requests", unfinished).
			Msg("connections cut off")
	}
}

// overdue returns nil, or if the connection must be cut off, the counter for the reason.
func (c *conn) overdue(now int64) *atomic.Uint64 {
	n := &c.srv.counts
	if due := c.sendDue.Load(); due != 0 && !c.takes(due, now) && now > due {
		return &n.unreadKicks
	}
	if c.isParked() {
		return nil // the server keeps the client waiting
	}
	if due := c.requestDue.Load(); due != 0 && now > due || c.overstays(now) {
		return &n.unfinishedKicks
	}
	if idle := int64(c.srv.config.IdleTimeout); idle > 0 && now-c.lastRead.Load() > idle {
		return &n.idleKicks
	}
	return nil
}

// takes reports whether the client has taken something since the last sweep, and if so gives
// it more time. The kernel does not report room before there is a lot, and a client that
// reads slowly may take minutes to make that much.
func (c *conn) takes(due, now int64) bool {
	before := c.inKernel
	c.inKernel = int32(c.transport.inFlight().unsent)
	if c.inKernel >= before {
		return false
	}
	c.sendDue.CompareAndSwap(due, now+int64(c.srv.config.SendTimeout))
	return true
}
