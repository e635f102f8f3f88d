package server

import (
	"bytes"
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

// promise is a reply, not sent yet, that reports what happened to a lock.
type promise struct {
	start, end int           // of the reply in out; end is open while the request is handled
	head       protocol.Head // of the request
	key        int           // where the key ends in promises.keys
	token      uint64        // of the grant, or 0
	entry      uint64        // the journal entry of a grant or a flush; if 0, the key decides
}

const open = -1

// promises are the promises of one connection, in order.
type promises struct {
	list []promise
	keys []byte
}

// promisesPool serves the connections with unsent replies; the others need no memory for them.
var promisesPool = sync.Pool{New: func() any { return new(promises) }}

// promisePut records what the reply to a storage command promises.
func (c *conn) promisePut(put *locks.Put, done locks.Stored, err error) {
	switch {
	case put.Op != locks.Add:
		c.promise(put.Key, err)
	case err == nil && done.Entry != 0:
		c.note(put.Key, done.CAS, done.Entry)
	case err == nil:
		c.promise(put.Key, nil)
	}
}

// promise records that the reply to the present request says that the lock of the key, if
// it is one, was renewed, has ended, or does not exist. Errors that say something else
// promise nothing.
func (c *conn) promise(key []byte, err error) {
	if err == nil || err == locks.ErrNotFound || err == locks.ErrNotStored {
		c.note(key, 0, 0)
	}
}

// promiseFlush records that the reply says that all locks have ended.
func (c *conn) promiseFlush(entry uint64) {
	if entry != 0 {
		c.note(nil, 0, entry)
	}
}

func (c *conn) note(key []byte, token, entry uint64) {
	if !c.srv.durable || c.work.req.NoReply {
		return
	}
	if c.promises == nil {
		c.promises = promisesPool.Get().(*promises)
	}
	p := c.promises
	p.keys = append(p.keys, key...)
	p.list = append(p.list, promise{c.begun, open, c.work.req.Head, len(p.keys), token, entry})
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
	if !c.kept && c.srv.locks.Pending() {
		if c.srv.locks.CommitWaits() {
			c.transport.detach()
		}
		if err := c.srv.locks.Commit(); err != nil && !c.takeBack(faultOf(err)) {
			return errUnkept
		}
	}
	c.kept = false
	c.begun = 0
	c.forgetPromises()
	return nil
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
	case p.token != 0:
		return c.srv.locks.Disavow(key, p.token, p.entry, &c.session)
	case p.entry != 0:
		return !c.srv.locks.Kept(p.entry)
	}
	return c.srv.locks.Doubtful(key)
}

func (c *conn) forgetPromises() {
	if p := c.promises; p != nil {
		p.list, p.keys = p.list[:0], p.keys[:0]
		promisesPool.Put(p)
		c.promises = nil
	}
}
