package server

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// Keys below this prefix are never stored. Reading one asks about a lock; adding
// below lockcached:wait= is a claim that may wait.
var (
	reserved     = []byte("lockcached:")
	waitPrefix   = []byte("wait=")
	errReserved  = &protocol.Fault{Line: "CLIENT_ERROR keys below lockcached: cannot be stored"}
	errBadWait   = &protocol.Fault{Line: "CLIENT_ERROR bad wait: lockcached:wait=DURATION:KEY, DURATION like 2s or 200 (ms)"}
	errOnlyClaim = &protocol.Fault{Line: "CLIENT_ERROR lockcached:wait= goes with add only"}
)

// waitFor tells how long a claim may wait in line, and takes the option off the
// key if that is where it says so.
func (c *conn) waitFor(q *protocol.Request, put *locks.Put) (wait time.Duration, byPolicy bool, fault *protocol.Fault) {
	if !bytes.HasPrefix(q.Key, reserved) {
		if put.Op != locks.Add || q.NoReply {
			return 0, false, nil
		}
		return c.srv.locks.UnaskedWait(put.Key, &c.session), true, nil
	}
	option, ok := bytes.CutPrefix(q.Key[len(reserved):], waitPrefix)
	if !ok {
		return 0, false, errReserved
	}
	if put.Op != locks.Add {
		return 0, false, errOnlyClaim
	}
	text, key, ok := bytes.Cut(option, []byte{':'})
	text, put.GoesOn = bytes.CutSuffix(text, []byte{'+'})
	wait, err := parseWait(string(text))
	if !ok || err != nil || len(key) == 0 || bytes.HasPrefix(key, reserved) {
		return 0, false, errBadWait
	}
	put.Key = key
	if q.NoReply {
		wait = 0
	}
	return wait, false, nil
}

// parseWait reads a Go duration or whole milliseconds.
func parseWait(text string) (time.Duration, error) {
	if ms, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(ms) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

// getReserved answers a get below the prefix, as an item of one line; what does
// not exist is a miss.
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

// reservedValue is what an item below the prefix tells.
func (c *conn) reservedValue(key []byte) (value []byte, ok bool) {
	what, name, _ := bytes.Cut(key[len(reserved):], []byte{':'})
	if string(what) == "version" {
		return []byte(Release), true
	}
	if len(name) == 0 {
		return nil, false
	}
	var fields []field
	switch string(what) {
	case "lock":
		lock := c.srv.locks.Lookup(name, &c.session)
		if !lock.Held {
			c.promise(name, locks.ErrNotFound)
		}
		fields = lockFields(lock)
	case "retry":
		return strconv.AppendInt(nil, c.srv.locks.Retry(name, &c.session).Milliseconds(), 10), true
	case "class":
		record, ok := c.srv.locks.Class(string(name))
		if !ok {
			return nil, false
		}
		fields = classFields(&record)
	case "held":
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
