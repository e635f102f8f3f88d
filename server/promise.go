package server

import (
	"bytes"
	"cmp"
	"errors"
	"sync"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// In durable mode no reply leaves before every change that it could reflect is committed to
// the journal. If the journal fails, a SERVER_ERROR replaces every reply that a crash could
// make false:
//
//   - a grant that is not in the journal; it is withdrawn before any client knows of it,
//   - a renewal or an end of a hold that is not in the journal. It remains done, and is
//     written when the journal works again, but until then a crash would bring the hold
//     back as it was,
//   - and for the same reason, a reply that says that there is no such lock.
//
// All other replies are sent unchanged, and so are those about changes that were committed
// before the journal failed.
//
// In a cluster, where the mode is strict, this node may have been replaced without knowing it,
// and others may have changed what it believes to serve. So every reply about a key, also one
// that only shows what is there, or refuses, leaves only when the journal has confirmed that
// the key was still this node's after the request was carried out. Otherwise a SERVER_ERROR
// replaces it. Each reply waits only for what began before it.

// promise is a reply, not sent yet, that reports what happened to a lock.
type promise struct {
	start, end int           // of the reply in out; end is open while the request is handled
	head       protocol.Head // of the request
	key        int           // where the key ends in promises.keys
	token      uint64        // of the grant, or 0
	entry      uint64        // the journal entry of a grant or a flush; if 0, the key decides
	mark       uint64        // in strict mode: what the journal must have confirmed
}

const open = -1

// promises are the promises of one connection, in order.
type promises struct {
	list []promise
	keys []byte
}

// promisesPool serves the connections with unsent replies; the others need no memory for them.
var promisesPool = sync.Pool{New: func() any { return new(promises) }}

// promisePut records what the reply to a storage command promises. The refusal of a claim is a
// promise only in strict mode.
func (c *conn) promisePut(put *locks.Put, done locks.Stored, err error) {
	switch {
	case put.Op == locks.Add && err == nil && done.Entry != 0:
		c.note(&c.work.req.Head, put.Key, done.CAS, done.Entry)
	case put.Op != locks.Add || err != locks.ErrNotStored || c.srv.strict:
		c.promise(put.Key, err)
	}
}

// promise records that the reply to the present request says that the lock of the key, if
// it is one, was renewed, has ended, or does not exist. Errors that say something else are
// promises only in strict mode. That another node serves the key is recorded, too.
func (c *conn) promise(key []byte, err error) {
	switch {
	case err == nil || err == locks.ErrNotFound || err == locks.ErrNotStored:
		c.note(&c.work.req.Head, key, 0, 0)
	case err == locks.ErrMoved:
		c.member.moved = true
	case c.srv.strict:
		c.note(&c.work.req.Head, key, 0, 0)
	}
}

// promiseSight is promise for a request that only reads: what is there is a promise only in
// strict mode.
func (c *conn) promiseSight(key []byte, err error) {
	if err != nil || c.srv.strict {
		c.promise(key, err)
	}
}

// promiseFlush records that the reply says that all locks have ended.
func (c *conn) promiseFlush(entry uint64) {
	if entry != 0 {
		c.note(&c.work.req.Head, nil, 0, entry)
	}
}

// promiseRefusal records that the reply to a claim that has waited, which was just put
// together, refuses it.
func (c *conn) promiseRefusal(p *inLine) {
	if c.srv.strict {
		c.note(&p.head, p.waiting.Key(), 0, 0)
		c.endReply()
	}
}

// note records a promise of the reply that begins at c.begun.
func (c *conn) note(head *protocol.Head, key []byte, token, entry uint64) {
	if !c.srv.durable || head.NoReply {
		return
	}
	if c.promises == nil {
		c.promises = promisesPool.Get().(*promises)
	}
	all, mark := c.promises, uint64(0)
	if c.srv.strict {
		mark = c.srv.locks.Mark()
		if token == 0 && all.has(c.begun, mark) {
			return
		}
	}
	all.keys = append(all.keys, key...)
	all.list = append(all.list, promise{c.begun, open, *head, len(all.keys), token, entry, mark})
}

// has reports whether the latest promise is one of the same reply with the same mark: a get
// of many keys needs only one.
func (all *promises) has(begun int, mark uint64) bool {
	if len(all.list) == 0 {
		return false
	}
	latest := &all.list[len(all.list)-1]
	return latest.end == open && latest.start == begun && latest.mark == mark
}

// latest is the last mark. When the journal has confirmed it, it also knows about the others;
// but if this node was replaced in between, and has come back, not all of them are confirmed.
func (all *promises) latest() uint64 { return all.list[len(all.list)-1].mark }

// confirm waits until the journal has confirmed all marks, and returns why it could not.
func (all *promises) confirm(m *locks.Manager) (err error) {
	for i := len(all.list) - 1; i >= 0; i-- {
		if mark := all.list[i].mark; !m.Confirmed(mark) {
			err = cmp.Or(m.Confirm(mark), err)
		}
	}
	return err
}

// areConfirmed reports whether confirm has nothing to wait for.
func (all *promises) areConfirmed(m *locks.Manager) bool {
	for i := range all.list {
		if !m.Confirmed(all.list[i].mark) {
			return false
		}
	}
	return true
}

// unsay drops the reply to the present request.
func (c *conn) unsay() {
	c.out.Truncate(c.begun)
	if c.promises == nil {
		return
	}
	list := c.promises.list
	for len(list) > 0 && list[len(list)-1].end == open {
		list = list[:len(list)-1]
	}
	c.promises.list = list
	if len(list) == 0 {
		c.forgetPromises()
	}
}

// beginReply records where the reply to a request begins, endReply where it ends.
func (c *conn) beginReply() {
	if !c.replying {
		c.begun, c.replying = c.out.Buffered(), true
	}
}

func (c *conn) endReply() {
	c.replying = false
	if c.promises == nil {
		return
	}
	list := c.promises.list
	for i := len(list) - 1; i >= 0 && list[i].end == open; i-- {
		list[i].end = c.out.Buffered()
	}
}

// errUnkept says that a reply whose promise is not kept cannot be replaced, because it is
// not complete yet.
var errUnkept = errors.New("server: a promise is broken half-way")

// keepPromises commits the changes that the collected replies reflect, unless the worker
// has done it for all its connections.
func (c *conn) keepPromises() error {
	var err error
	switch {
	case c.srv.strict:
		err = c.confirm()
	case !c.kept && c.srv.locks.Pending():
		if c.srv.locks.CommitWaits() {
			c.transport.detach()
		}
		err = c.srv.locks.Commit()
	}
	if err != nil && !c.takeBack(faultOf(err)) {
		return errUnkept
	}
	c.promisesKept()
	return nil
}

// promisesKept is called when the collected replies may be sent.
func (c *conn) promisesKept() {
	c.kept = false
	c.begun = 0
	c.forgetPromises()
}

// mayBeSent reports whether keepPromises has nothing to do.
func (c *conn) mayBeSent() bool {
	if c.srv.strict {
		return c.promises == nil || c.promises.areConfirmed(c.srv.locks)
	}
	return c.kept || !c.srv.locks.Pending()
}

// confirm is for strict mode.
func (c *conn) confirm() error {
	if c.promises == nil || c.promises.areConfirmed(c.srv.locks) {
		return nil
	}
	c.transport.detach()
	return c.promises.confirm(c.srv.locks)
}

// takeBack replaces all replies whose promise is not kept by the fault. It reports false if
// one of them is incomplete.
func (c *conn) takeBack(f *protocol.Fault) bool {
	if c.promises == nil {
		return true
	}
	replies := bytes.Clone(c.out.Bytes())
	c.out.Drop()
	sent, key := 0, 0
	for _, p := range c.promises.list {
		broken := c.breaks(&p, c.promises.keys[key:p.key])
		key = p.key
		if broken && p.end == open {
			return false
		}
		if broken && p.start >= sent { // otherwise the reply was replaced for another key of the same request
			c.out.Raw(replies[sent:p.start])
			c.out.Fault(&p.head, f)
			sent = p.end
		}
	}
	c.out.Raw(replies[sent:])
	return true
}

// breaks reports, after a commit has failed, whether a promise is not kept. A grant that is
// not kept is withdrawn.
func (c *conn) breaks(p *promise, key []byte) bool {
	switch {
	case c.srv.strict && c.srv.locks.Confirmed(p.mark):
		return false
	case p.token != 0:
		return c.srv.locks.Disavow(key, p.token, p.entry, &c.session)
	case c.srv.strict:
		return true
	case p.entry != 0:
		return !c.srv.locks.Kept(p.entry)
	}
	return c.srv.locks.Doubtful(key)
}

// breaksAny reports whether any of the promises is not kept.
func (c *conn) breaksAny(all *promises) (broken bool) {
	key := 0
	for i := range all.list {
		p := &all.list[i]
		broken = c.breaks(p, all.keys[key:p.key]) || broken
		key = p.key
	}
	return broken
}

func (c *conn) forgetPromises() {
	c.promises.release()
	c.promises = nil
}

func (all *promises) release() {
	if all != nil {
		all.list, all.keys = all.list[:0], all.keys[:0]
		promisesPool.Put(all)
	}
}
