package server

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// In durable mode no reply leaves before everything that it could have seen is
// committed to the journal. If the journal fails then, replies that promise
// something about a lock are taken back: a SERVER_ERROR takes their place, and what
// was granted is withdrawn before anybody knew of it. All other replies are sent as
// they are.

// promise is a reply, not sent yet, that tells of a grant or a renewal.
type promise struct {
	start, end int    // of the reply among those collected; end is open while the request is handled
	key        int    // where the key ends in promises.keys
	token      uint64 // of a grant; 0 for a renewal
}

const open = -1

// promises are those of one connection, in order.
type promises struct {
	list []promise
	keys []byte
}

// Only connections with unsent replies have any.
var promisesPool = sync.Pool{New: func() any { return new(promises) }}

// promisePut notes what a storage command promises that succeeded.
func (c *conn) promisePut(put *locks.Put, done locks.Stored, err error) {
	joins := put.Op == locks.Append || put.Op == locks.Prepend
	switch {
	case put.Op == locks.Add:
		c.promise(put.Key, done.CAS, err)
	case joins:
		c.promise(put.Key, 0, err)
	default:
		c.promiseLease(put.Key, put.Lease, err)
	}
}

// promiseLease notes a renewal; with a lease that is over it is a release, which
// promises nothing.
func (c *conn) promiseLease(key []byte, lease time.Duration, err error) {
	if lease > 0 {
		c.promise(key, 0, err)
	}
}

// promise notes that the reply to the request at hand says that the lock of the key,
// if it is one, is held from now on or for longer; unless there was an error.
func (c *conn) promise(key []byte, token uint64, err error) {
	if !c.srv.durable || err != nil || c.work.req.NoReply {
		return
	}
	if c.promises == nil {
		c.promises = promisesPool.Get().(*promises)
	}
	p := c.promises
	p.keys = append(p.keys, key...)
	p.list = append(p.list, promise{c.begun, open, len(p.keys), token})
}

// beginReply notes where the reply to a request begins, and endReply where it ends.
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

// errUnkept says that the beginning of a reply has left that cannot be kept.
var errUnkept = errors.New("server: a promise is broken half-way")

// keepPromises commits what the replies collected have seen, unless the worker has
// done it for all of its connections.
func (c *conn) keepPromises() error {
	if !c.kept && c.srv.locks.Pending() {
		if c.sock != nil && c.srv.locks.CommitWaits() {
			c.sock.detach()
		}
		if err := c.srv.locks.Commit(); err != nil {
			if c.replying && c.begun < c.out.Buffered() {
				return errUnkept
			}
			c.takeBack(errorLine(err))
		}
	}
	c.kept = false
	c.begun = 0
	c.forgetPromises()
	return nil
}

// takeBack puts the line in the place of all replies that promise anything.
func (c *conn) takeBack(line string) {
	if c.promises == nil {
		return
	}
	replies := bytes.Clone(c.out.Bytes())
	c.out.Drop()
	sent, key := 0, 0
	for _, p := range c.promises.list {
		promised := c.srv.locks.Disavow(c.promises.keys[key:p.key], p.token)
		key = p.key
		if promised && p.start >= sent { // or another key of the same request was before it
			c.out.Copy(replies[sent:p.start])
			c.out.Line(line)
			sent = p.end
		}
	}
	c.out.Copy(replies[sent:])
}

func (c *conn) forgetPromises() {
	if p := c.promises; p != nil {
		p.list, p.keys = p.list[:0], p.keys[:0]
		promisesPool.Put(p)
		c.promises = nil
	}
}
