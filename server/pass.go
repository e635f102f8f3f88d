package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// member is what a connection needs in a cluster.
type member struct {
	cluster Cluster // passes requests on; nil for the session of another node's client
	remote  *Remote // that session; nil for a client of this node
	session uint64  // of a client that has sent requests for other nodes, or 0
	client  string  // its address
	again   *call   // the claim that waits in line, should its key move to another node; nil if there is no memory
	moved   bool    // another node turned out to serve the key of the present request
	arrival arrival // of a client's requests
}

// isFront reports whether requests are passed on; isRemote, whether they were.
func (c *conn) isFront() bool  { return c.member != nil && c.member.remote == nil }
func (c *conn) isRemote() bool { return c.member != nil && c.member.remote != nil }

func (m *member) close() {
	if m.session != 0 {
		m.cluster.CloseSession(m.session)
	}
}

// runInCluster is run in a cluster: requests about keys that other nodes serve are passed on.
func (c *conn) runInCluster(q *protocol.Request) (goesOn bool) {
	if c.isFront() && releasesBlindly(q) && c.mayBeOld() {
		c.fault(q, errOld)
		return true
	}
	if c.isFront() && hasSeveralKeys(q) {
		return c.getSeveral(q)
	}
	key := subject(q)
	if len(key) > 0 && c.isFront() && !c.member.cluster.Local(key) {
		return c.passOn(q, key)
	}
	goesOn = c.carryOut(q)
	if !c.takeMoved() {
		return goesOn
	}
	c.unsay()
	if c.isRemote() {
		c.member.remote.fails(locks.ErrMoved)
		return true
	}
	return c.passOn(q, key)
}

// takeMoved reports, once, that another node serves the key that a request was about.
func (c *conn) takeMoved() (moved bool) {
	moved, c.member.moved = c.member.moved, false
	return moved
}

// subject is the key that decides which node answers a request; it is empty if any node can.
func subject(q *protocol.Request) []byte {
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.Gat, protocol.Gats:
		key, _ := q.NextKey(q.Args)
		return subjectOfGet(key)
	case protocol.MetaGet:
		return subjectOfGet(q.Key)
	case protocol.Set, protocol.Add, protocol.Replace, protocol.Append, protocol.Prepend, protocol.CAS, protocol.MetaSet:
		return subjectOfStore(q.Key)
	case protocol.Delete, protocol.Incr, protocol.Decr, protocol.Touch,
		protocol.MetaDelete, protocol.MetaArith, protocol.MetaDebug:
		return q.Key
	case protocol.Stats:
		what, args := protocol.NextWord(q.Args)
		if name, _ := protocol.NextWord(args); (string(what) == "lock" || string(what) == "fill") && len(name) <= protocol.MaxKey {
			return name
		}
	}
	return nil
}

// subjectOfGet is the subject of a get of one key.
func subjectOfGet(key []byte) []byte {
	if !protocol.IsReserved(key) {
		return key
	}
	asked, _ := protocol.ParseKey(key)
	if asked.Topic == protocol.LockTopic || asked.Topic == protocol.RetryTopic || asked.Topic == protocol.FillTopic {
		return asked.Name
	}
	return nil
}

// subjectOfStore is the subject of a storage command.
func subjectOfStore(key []byte) []byte {
	if !protocol.IsReserved(key) {
		return key
	}
	asked, _ := protocol.ParseKey(key)
	if asked.Topic == protocol.WaitTopic {
		return asked.Name
	}
	return nil
}

// kindOf says whether a request may be repeated.
func kindOf(q *protocol.Request) CallKind {
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.MetaDebug, protocol.Stats:
		return Read
	case protocol.MetaGet:
		if m := &q.Meta; !m.Has('T') && !m.Has('N') && !m.Has('R') {
			return Read
		}
	case protocol.Add:
		if storeOp(q) == locks.Add {
			return Claim
		}
	case protocol.MetaSet:
		if metaOp(&q.Meta) == locks.Add {
			return Claim
		}
	}
	return Change
}

// passOn parks the connection until the owner of the key has answered the present request.
// Earlier answers are sent first.
func (c *conn) passOn(q *protocol.Request, key []byte) (goesOn bool) {
	k := c.newCall(q, key, c.in.Text())
	if k == nil {
		c.out.Fault(&q.Head, protocol.ErrNoMemory)
		return true
	}
	asked := k.Kind == Claim && c.asksToWait(q)
	if asked && c.unsure != nil {
		c.unsure.asked = true
	}
	if c.flush() != nil {
		c.dropCall(k)
		return false
	}
	head := q.Head
	mayHold := c.fills && !isQuietGet(q) && c.srv.locks.MayHold(key) && isGet(q)
	c.makeCalls(&calls{list: []*call{k}, mayHold: mayHold, then: func() bool { return c.relay(&head, k, asked) }})
	return true
}

func isGet(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.Gat, protocol.Gats, protocol.MetaGet:
		return true
	}
	return false
}

// asksToWait reports whether a claim is ready to wait in line.
func (c *conn) asksToWait(q *protocol.Request) bool {
	wait, fault := c.waitFor(q, &locks.Put{Op: locks.Add, Key: q.Key, Session: &c.session})
	return fault == nil && wait.For > 0
}

// follow passes on a claim whose key has moved to another node while it waited in line.
func (c *conn) follow(p *inLine) (goesOn bool) {
	k, head := c.member.again, p.head
	if c.member.again = nil; k == nil {
		c.out.Fault(&head, protocol.ErrNoMemory)
		return true
	}
	c.makeCalls(&calls{list: []*call{k}, then: func() bool { return c.relay(&head, k, true) }})
	return true
}

// dropAgain is called when a claim has waited, and need not be sent to another node.
func (c *conn) dropAgain() {
	if c.member != nil {
		c.dropCall(c.member.again)
		c.member.again = nil
	}
}

// relay answers a request with the reply of another node.
func (c *conn) relay(head *protocol.Head, k *call, asked bool) (goesOn bool) {
	r := &k.reply
	switch {
	case r.Err != nil:
		c.out.Fault(head, faultOf(r.Err))
	case len(r.Text) > 0:
		c.out.Raw(r.Text)
	}
	if r.Granted {
		c.maybeUnsure(k.Key, r.Token, asked)
	}
	return c.flushIfMany() == nil
}

// passRefusal passes on a request whose data block was refused, if that ends what is stored
// under its key at another node. It reports false if the fault is to be told here.
func (c *conn) passRefusal(q *protocol.Request, f *protocol.Fault) (passed, goesOn bool) {
	if !c.isFront() || f != protocol.ErrTooLarge && f != protocol.ErrNoMemory || !isSet(q) {
		return false, false
	}
	if protocol.IsReserved(q.Key) || c.member.cluster.Local(q.Key) {
		return false, false
	}
	return true, c.passOn(q, q.Key)
}
