package server

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// call is a request that was passed on, or that may be.
type call struct {
	Call
	reply   Reply
	memory  int  // bytes of the Text that count towards the limit for requests
	mayHold bool // it may be held back until somebody has stored what it asks for
}

// uncounted is up to how many bytes of a request are not counted: as many as are read without
// being counted.
const uncounted = 16 << 10

// newCall returns a copy of a request, or nil if there is no memory for it.
func (c *conn) newCall(q *protocol.Request, key, text []byte) *call {
	m := c.member
	memory := 0
	if len(text) > uncounted {
		if memory = len(text); !c.srv.unfinished.Take(memory) {
			return nil
		}
	}
	if m.session == 0 {
		m.session, m.client = c.srv.sessions.Add(1), c.transport.remote().String()
	}
	both := append(append(make([]byte, 0, len(key)+len(text)), key...), text...)
	k := &call{memory: memory, Call: Call{
		Session: m.session,
		Client:  m.client,
		Key:     both[:len(key):len(key)],
		Text:    both[len(key):],
		Kind:    kindOf(q),
		Since:   time.Now(),
	}}
	if k.Kind == Claim {
		k.Claim = newClaimID()
	}
	return k
}

// newClaimID returns an id that nobody else will ever choose.
func newClaimID() (id locks.ClaimID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// dropCall gives back the memory of a call, which may be nil.
func (c *conn) dropCall(k *call) {
	if k != nil {
		c.srv.unfinished.Give(k.memory)
	}
}

// calls are the requests that a connection has passed on for one request of its client.
type calls struct {
	conn *conn
	list []*call
	then func() (goesOn bool) // continues the connection when all are answered

	left      atomic.Int32  // how many are not answered
	answered  chan struct{} // closed when none is left
	mayHold   bool          // one of them may be held back
	missed    atomic.Bool   // one of those has found nothing: its client has work to do
	hurried   bool
	cancelled bool
}

// makeCalls parks the connection until the calls are answered.
func (c *conn) makeCalls(k *calls) {
	k.conn = c
	k.left.Store(int32(len(k.list)))
	k.answered = make(chan struct{})
	c.parked = k
	c.state.Store(stateWait)
	c.in.Release()
	for _, one := range k.list {
		one.Done = func(r Reply) {
			one.reply = r
			if one.mayHold && len(k.list) > 1 && isMiss(r) {
				k.missed.Store(true)
				k.hurry()
			}
			k.answer()
		}
		c.member.cluster.Call(&one.Call)
	}
	if k.missed.Load() {
		k.hurry() // the calls that were not made yet when one had found nothing
	}
	if c.finishing.Load() {
		k.finish()
	}
}

// answer records that a call is answered.
func (k *calls) answer() {
	if k.left.Add(-1) == 0 {
		close(k.answered)
		k.conn.transport.wake()
	}
}

func (k *calls) isOver() bool { return k.left.Load() == 0 }

// yields: a claim may wait, and a get may be held back, by a policy of its owner's.
func (k *calls) yields() bool { return k.mayHold || k.list[0].Kind == Claim }

func (k *calls) hasten() (ends bool) {
	if k.yields() && !k.hurried {
		k.hurried = true
		k.hurry()
	}
	return false
}

// hurry ends all waits that the client has not asked for.
func (k *calls) hurry() {
	for _, one := range k.list {
		k.conn.member.cluster.Hurry(&one.Call)
	}
}

// isMiss reports whether the reply to a get of one key says that there is nothing.
func isMiss(r Reply) bool {
	items, ok := protocol.CutEndGet(r.Text)
	return r.Err == nil && ok && len(items) == 0
}

func (k *calls) finish() { k.cancel() }

func (k *calls) cancel() {
	if k.cancelled {
		return
	}
	k.cancelled = true
	for _, one := range k.list {
		k.conn.member.cluster.Cancel(&one.Call)
	}
}

func (k *calls) await() {
	select {
	case <-k.answered:
	case <-k.conn.srv.ending:
		k.cancel()
		<-k.answered
	}
}

func (k *calls) end(gone bool) (goesOn bool) {
	c := k.conn
	if gone {
		k.cancel()
	}
	if !k.isOver() {
		c.transport.detach()
	}
	k.await()
	for _, one := range k.list {
		c.dropCall(one)
	}
	c.unpark()
	return k.then()
}
