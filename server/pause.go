package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// pauses notices when this process has stood still, as after SIGSTOP, for so long that other nodes
// may have taken over. What had arrived by then is of any age: a release that names no token could
// end the hold of somebody else, who was granted the lock meanwhile.
type pauses struct {
	longest int64 // nanoseconds; less is no pause

	looked atomic.Int64  // when the process was last seen to run, on the server's clock
	woke   atomic.Int64  // when the latest pause was noticed
	count  atomic.Uint32 // of pauses; changed before looked
	mu     sync.Mutex    // held to change these
}

const (
	// defaultPause is what Config.Pause is by default.
	defaultPause = 1500 * time.Millisecond
	// looksPerPause is how often watch looks in the shortest time that counts as a pause.
	looksPerPause = 5
	// Input that is read that long after a pause has arrived after it: sockets with input are
	// read at once.
	readWithin = 2 * time.Second
)

// watchPauses notices pauses, until alone is closed.
func (s *Server) watchPauses(alone <-chan struct{}) {
	tick := time.NewTicker(s.config.Pause / looksPerPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.pauses.look(s.now())
			s.pauses.seen(s.now())
		case <-alone:
			return
		}
	}
}

// seen records that the process runs, unless a pause has to be noticed first.
func (p *pauses) seen(now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now-p.looked.Load() <= p.longest {
		p.looked.Store(now)
	}
}

// look returns the number of pauses so far, and notices one if the process was not seen for long.
func (p *pauses) look(now int64) (count uint32) {
	if now-p.looked.Load() <= p.longest {
		return p.count.Load()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now-p.looked.Load() > p.longest {
		p.woke.Store(now)
		p.count.Add(1)
		p.looked.Store(now)
	}
	return p.count.Load()
}

// isFresh reports whether no pause was noticed of late.
func (p *pauses) isFresh(now int64) bool {
	return p.count.Load() == 0 || now-p.woke.Load() > int64(readWithin)
}

// arrival tells how old the input of a connection may be, by the number of pauses. Zero is right
// for a connection that was made before the first one.
type arrival struct {
	after   uint32 // what is being handled has arrived after so many pauses
	drained uint32 // so many there were when nothing was left to read
	reading uint32 // the same for the read that is under way, before it began
}

// willRead is called before input is read.
func (c *conn) willRead() {
	if c.isFront() {
		c.member.arrival.reading = c.srv.pauses.look(c.srv.now())
	}
}

// hasRead is called when input was read; emptied says that all of it was.
func (c *conn) hasRead(emptied bool) {
	if !c.isFront() {
		return
	}
	a := &c.member.arrival
	a.after = a.drained
	if emptied {
		a.drained = a.reading
	}
}

// mayBeOld reports whether the present request may have arrived before a pause of this process.
func (c *conn) mayBeOld() bool {
	now := c.srv.now()
	return c.srv.pauses.look(now) != c.member.arrival.after && !c.srv.pauses.isFresh(now)
}

// errOld is the answer to a release that names no token and may be old.
var errOld = &protocol.Fault{Line: "SERVER_ERROR this node has stood still, nothing was released"}

// releasesBlindly reports whether a request ends the hold of a lock, whoever has it.
func releasesBlindly(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.Delete:
		return q.CAS == 0
	case protocol.Set, protocol.Replace, protocol.Touch, protocol.Gat, protocol.Gats:
		return q.CAS == 0 && lease(q.Exptime) <= 0
	case protocol.MetaDelete:
		return !q.Meta.Has('C')
	case protocol.MetaGet, protocol.MetaSet, protocol.MetaArith:
		return !q.Meta.Has('C') && q.Meta.Has('T') && lease(q.Meta.TTL) <= 0
	}
	return false
}
