package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// waitFor returns how long a claim may wait in line, and whether a policy says so rather
// than the client. If the key has a wait option, waitFor removes it from put.Key.
func (c *conn) waitFor(q *protocol.Request, put *locks.Put) (wait time.Duration, byPolicy bool, fault *protocol.Fault) {
	if !protocol.IsReserved(q.Key) {
		if put.Op != locks.Add || q.NoReply {
			return 0, false, nil
		}
		return c.srv.locks.UnaskedWait(put.Key, &c.session), true, nil
	}
	key, fault := protocol.ParseKey(q.Key)
	switch {
	case key.Topic != protocol.WaitTopic:
		return 0, false, protocol.ErrReserved
	case put.Op != locks.Add:
		return 0, false, protocol.ErrOnlyClaim
	case fault != nil:
		return 0, false, fault
	}
	put.Key, put.GoesOn = key.Name, key.GoesOn
	if q.NoReply {
		return 0, false, nil
	}
	return key.Wait, false, nil
}

// getReserved answers a get of a reserved key, as an item; what does not exist is a miss.
func (c *conn) getReserved(key []byte) {
	value, ok := c.reservedValue(key)
	switch {
	case !ok:
	case c.work.withCAS:
		c.out.ValueCAS(key, 0, value, 0)
	default:
		c.out.Value(key, 0, value)
	}
}

// reservedValue is the value of a reserved key; ok is false if there is none.
func (c *conn) reservedValue(key []byte) (value []byte, ok bool) {
	asked, _ := protocol.ParseKey(key)
	if asked.Topic == protocol.VersionTopic {
		return []byte(Release), true
	}
	name := asked.Name
	if len(name) == 0 {
		return nil, false
	}
	var fields []field
	switch asked.Topic {
	case protocol.LockTopic:
		lock := c.srv.locks.Lookup(name, &c.session)
		if !lock.Held {
			c.promise(name, locks.ErrNotFound)
		}
		fields = lockFields(lock)
	case protocol.RetryTopic:
		return strconv.AppendInt(nil, c.srv.locks.Retry(name, &c.session).Milliseconds(), 10), true
	case protocol.ClassTopic:
		record, ok := c.srv.locks.Class(string(name))
		if !ok {
			return nil, false
		}
		fields = classFields(&record)
	case protocol.HeldTopic:
		return c.heldValue(name)
	default:
		return nil, false
	}
	var line strings.Builder
	for i, f := range fields {
		if i > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(f.Name + "=" + f.Text)
	}
	return []byte(line.String()), true
}
