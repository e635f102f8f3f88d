package server

import (
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// waitFor returns how a claim may wait in line: by the flag W of an ms, by the wait option of its
// key, or else by a policy. If the key has that option, waitFor removes it from put.Key.
func (c *conn) waitFor(q *protocol.Request, put *locks.Put) (wait locks.Wait, fault *protocol.Fault) {
	wait, fault = c.waitByKey(q, put)
	if q.Verb == protocol.MetaSet && q.Meta.Has('W') {
		wait = locks.Wait{For: waitOf(&q.Meta), Named: true, GoesOn: q.Meta.GoesOn}
	}
	if c.isRemote() {
		c.member.remote.resent(put, &wait)
	}
	return wait, fault
}

// waitByKey is waitFor without the flag W. A client that does not want to be told of a success
// does not wait.
func (c *conn) waitByKey(q *protocol.Request, put *locks.Put) (wait locks.Wait, fault *protocol.Fault) {
	if !protocol.IsReserved(q.Key) {
		if put.Op != locks.Add || q.Quiet() {
			return wait, nil
		}
		return locks.Wait{For: c.srv.locks.UnaskedWait(put.Key, &c.session)}, nil
	}
	key, fault := protocol.ParseKey(q.Key)
	switch {
	case key.Topic != protocol.WaitTopic:
		return wait, protocol.ErrReserved
	case put.Op != locks.Add:
		return wait, protocol.ErrOnlyClaim
	case fault != nil:
		return wait, fault
	}
	put.Key = key.Name
	if q.Quiet() {
		return wait, nil
	}
	return locks.Wait{For: key.Wait, Named: true, GoesOn: key.GoesOn}, nil
}

// ownerValue is the node that serves a key.
func (c *conn) ownerValue(key []byte) (value []byte, ok bool) {
	if c.srv.config.Cluster == nil {
		return nil, false
	}
	owner := c.srv.config.Cluster.Owner(key)
	return []byte(owner), owner != ""
}

// clusterValue is what "stats cluster" tells: a line for each field.
func (c *conn) clusterValue() (value []byte, ok bool) {
	if c.srv.config.Cluster == nil {
		return nil, false
	}
	return rows(c.srv.config.Cluster.Fields()), true
}

// getReserved answers a get of a reserved key, as an item; what does not exist is a miss.
func (c *conn) getReserved(q *protocol.Request, key []byte) {
	if value, ok := c.reservedValue(key); ok {
		c.out.Hit(&q.Head, key, 0, value, 0)
	} else {
		c.out.Miss(&q.Head, key)
	}
}

// reservedValue is the value of a reserved key; ok is false if there is none.
func (c *conn) reservedValue(key []byte) (value []byte, ok bool) {
	asked, _ := protocol.ParseKey(key)
	name := asked.Name
	var fields []field
	switch {
	case asked.Topic == protocol.VersionTopic:
		return []byte(Release), true
	case asked.Topic == protocol.ClusterTopic:
		return c.clusterValue()
	case asked.Topic == protocol.FillsTopic && c.srv.locks.HasFills():
		return fieldLine(c.srv.fillTotals()), true
	case len(name) == 0:
		return nil, false
	}
	switch asked.Topic {
	case protocol.LockTopic:
		lock, err := c.srv.locks.Lookup(name, &c.session)
		if err == nil && !lock.Held {
			err = locks.ErrNotFound
		}
		c.promiseSight(name, err)
		fields = c.srv.lockFields(lock)
	case protocol.RetryTopic:
		wait, err := c.srv.locks.Retry(name, &c.session)
		c.promiseSight(name, err)
		return strconv.AppendInt(nil, wait.Milliseconds(), 10), true
	case protocol.ClassTopic:
		if fields = c.srv.classFields(string(name)); fields == nil {
			return nil, false
		}
	case protocol.FillTopic:
		if !c.srv.locks.HasFills() {
			return nil, false
		}
		fill, err := c.srv.locks.Fill(name)
		c.promiseSight(name, err)
		fields = fillFields(&fill)
	case protocol.HeldTopic:
		return c.heldValue(name)
	case protocol.OwnerTopic:
		return c.ownerValue(name)
	default:
		return nil, false
	}
	return fieldLine(fields), true
}

// fieldLine shows fields in one line.
func fieldLine(fields []field) []byte {
	var line strings.Builder
	for i, f := range fields {
		if i > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(f.Name + "=" + f.Text)
	}
	return []byte(line.String())
}
