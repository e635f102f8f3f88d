package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// admin answers the commands that concern the server instead of an item.
func (c *conn) admin(q *protocol.Request) bool {
	switch q.Verb {
	case protocol.FlushAll:
		return c.flushAll(q)
	case protocol.Version:
		c.out.Version(&q.Head, Version)
	case protocol.Verbosity:
		c.setVerbosity(q)
	case protocol.Login, protocol.BadLogin, protocol.BeginLogin, protocol.Mechanisms:
		c.login(q)
	case protocol.Quit:
		c.out.Bye(&q.Head)
		return false
	case protocol.Shutdown:
		return c.shutdown(q)
	case protocol.CacheMemlimit:
		c.say(q, c.cacheMemlimit(q))
	case protocol.Slabs, protocol.LRU:
		c.say(q, tuning(q))
	case protocol.LRUCrawler:
		return c.lruCrawler(q)
	case protocol.Watch:
		c.say(q, "CLIENT_ERROR watch commands not allowed")
	case protocol.RefreshCerts:
		c.say(q, c.refreshCerts())
	}
	return true
}

func (c *conn) flushAll(q *protocol.Request) (goesOn bool) {
	c.srv.counts.flushes.Add(1)
	if c.srv.config.NoFlush {
		c.fault(q, protocol.ErrNoFlush)
		return true
	}
	delay, ok := q.Delay()
	switch {
	case !ok:
		c.fault(q, protocol.ErrBadExptime)
		return true
	case protocol.IsDate(delay) && time.Unix(delay, 0).Before(c.srv.started):
		// memcached takes such a date for none.
	case c.isFront():
		return c.flushCluster(q, delay)
	case delay <= 1: // memcached flushes up to a second early
		entry, err := c.srv.locks.Flush(&c.session)
		if err != nil {
			c.refuse(q, err)
			return true
		}
		c.promiseFlush(entry)
	default:
		c.srv.locks.FlushAfter(lease(delay))
	}
	c.out.Done(&q.Head)
	return true
}

// flushCluster answers flush_all when all nodes have carried it out. The answers collected so
// far are sent first. Other connections do not wait.
func (c *conn) flushCluster(q *protocol.Request, delay int64) (goesOn bool) {
	if c.flush() != nil {
		return false
	}
	c.transport.detach()
	var after time.Duration
	if delay > 1 {
		after = lease(delay)
	}
	if err := c.member.cluster.FlushAll(after); err != nil {
		c.refuse(q, err)
	} else {
		c.out.Done(&q.Head)
	}
	return true
}

func (c *conn) setVerbosity(q *protocol.Request) {
	word, _ := protocol.NextWord(q.Args)
	level, err := strconv.ParseUint(string(word), 10, 32)
	if err != nil {
		c.fault(q, protocol.ErrBadFormat)
		return
	}
	c.srv.verbosity.Store(int32(min(level, 3)))
	c.out.Done(&q.Head)
}

// shutdown closes the connection without an answer, as memcached does.
func (c *conn) shutdown(q *protocol.Request) bool {
	if c.srv.config.Shutdown == nil {
		c.say(q, "SERVER_ERROR: shutdown not enabled")
		return true
	}
	mode, more := protocol.NextWord(q.Args)
	more, _ = protocol.NextWord(more)
	if len(more) > 0 || len(mode) > 0 && string(mode) != "graceful" {
		c.say(q, "CLIENT_ERROR invalid shutdown mode")
		return true
	}
	c.srv.config.Shutdown(len(mode) > 0)
	return false
}

func (c *conn) cacheMemlimit(q *protocol.Request) string {
	word, _ := protocol.NextWord(q.Args)
	megabytes, err := strconv.ParseUint(string(word), 10, 32)
	switch {
	case err != nil:
		return "ERROR"
	case megabytes < 8:
		return "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"
	case megabytes > 1_000_000_000:
		return "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"
	}
	limit := int64(megabytes) << 20
	if c.srv.config.MemoryLimitChanged != nil {
		c.srv.config.MemoryLimitChanged(limit)
	}
	c.srv.locks.SetMemoryLimit(limit)
	return "OK"
}

func (c *conn) refreshCerts() string {
	if c.srv.config.Certificates == nil {
		return "Error TLS not enabled"
	}
	if err := c.srv.config.Certificates.Refresh(); err != nil {
		return "Error " + oneLine(err)
	}
	return "OK"
}

// oneLine returns the error's text as one line, for a reply.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// tuning answers the commands that tune slabs and the LRU. This server has neither, so it
// answers as a memcached that was started without them.
func tuning(q *protocol.Request) string {
	what, args := protocol.NextWord(q.Args)
	word, _ := protocol.NextWord(args)
	switch {
	case q.Verb == protocol.LRU && string(what) == "tune" && wordCount(args) >= 4:
		return "OK"
	case q.Verb == protocol.Slabs && string(what) == "reassign":
		return "CLIENT_ERROR slab reassignment disabled"
	case q.Verb == protocol.Slabs && string(what) == "automove":
		if level, err := strconv.ParseUint(string(word), 10, 32); err != nil {
			return protocol.ErrBadFormat.Line
		} else if level <= 2 {
			return "OK"
		}
	}
	return "ERROR"
}
