package server

import (
	"bytes"

	"github.com/lockcached/lockcached/protocol"
)

// A get of several keys is answered key by key, since different nodes may serve them. The keys
// of other nodes are passed on together, each in a call of its own, and the answers are put
// together in the order of the request.

// maxCalls is how many keys of a get are passed on at a time.
const maxCalls = 64

// hasSeveralKeys reports whether q is a get of several keys, or a part of one.
func hasSeveralKeys(q *protocol.Request) bool {
	if q.More || q.Continued {
		return true
	}
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.Gat, protocol.Gats:
		_, rest := q.NextKey(q.Args)
		second, _ := q.NextKey(rest)
		return len(second) > 0
	}
	return false
}

// isAway reports whether another node answers a get of the key.
func (c *conn) isAway(key []byte) bool {
	about := subjectOfGet(key)
	return len(about) > 0 && !c.member.cluster.Local(about)
}

func (c *conn) getSeveral(q *protocol.Request) (goesOn bool) {
	for key, rest := q.NextKey(q.Args); len(key) > 0; key, rest = q.NextKey(rest) {
		if c.isAway(key) {
			return c.askForSome(q, q.Args, false)
		}
	}
	return c.getKeys(q, nil)
}

// askForSome passes on the first keys of a get that other nodes serve. If moved, the very first
// is one of them, whatever the cluster says.
func (c *conn) askForSome(q *protocol.Request, keys []byte, moved bool) (goesOn bool) {
	if c.flush() != nil {
		return false
	}
	rest := *q
	rest.Args = bytes.Clone(keys)
	k := new(calls)
	var asked []*call // by key
	for key, left := rest.NextKey(rest.Args); len(key) > 0 && len(k.list) < maxCalls; key, left = rest.NextKey(left) {
		var one *call
		if moved || c.isAway(key) {
			one = c.newCall(&rest, subjectOfGet(key), rest.AppendGet(nil, key))
			one.mayHold = c.fills && !protocol.IsReserved(key) && c.srv.locks.MayHold(key)
			k.mayHold = k.mayHold || one.mayHold
			k.list = append(k.list, one)
		}
		asked, moved = append(asked, one), false
	}
	k.then = func() bool { return c.resumeGet(&rest, asked) }
	c.makeCalls(k)
	return true
}

// resumeGet continues a get when the first of its keys are answered: asked has their calls, nil
// for those that this node serves.
func (c *conn) resumeGet(q *protocol.Request, asked []*call) (goesOn bool) {
	c.work = works.Get().(*work)
	defer c.dropWork()
	c.work.req = *q
	c.beginReply()
	goesOn = c.getKeys(&c.work.req, asked)
	if !q.More {
		c.endReply()
	}
	return goesOn
}

// getKeys answers a get of several keys, up to one that has to be asked for first.
func (c *conn) getKeys(q *protocol.Request, asked []*call) (goesOn bool) {
	for keys := q.Args; ; {
		key, rest := q.NextKey(keys)
		if len(key) == 0 {
			break
		}
		var err error
		switch {
		case len(asked) > 0 && asked[0] != nil:
			items, ok := protocol.CutEndGet(asked[0].reply.Text)
			if err = asked[0].reply.Err; err == nil && !ok { // an error of its own
				c.out.Raw(items)
				return !q.More
			}
			c.out.Raw(items)
		case c.isAway(key):
			return c.askForSome(q, keys, false)
		default:
			err = c.getOne(q, key)
			if c.takeMoved() {
				return c.askForSome(q, keys, true)
			}
		}
		if err != nil {
			c.refuse(q, err)
			return !q.More // as in get
		}
		if c.flushIfMany() != nil {
			return false
		}
		if len(asked) > 0 {
			asked = asked[1:]
		}
		keys = rest
	}
	if !q.More {
		c.out.EndGet(&q.Head)
	}
	return true
}
