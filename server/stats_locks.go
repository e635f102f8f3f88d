package server

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/stats"
)

// lockStats answers the stats sub-commands that memcached does not have. Their names have
// no colon, because tools take what stands before one for a slab class.
func (c *conn) lockStats(q *protocol.Request, what string, name []byte) {
	switch {
	case what == "locks":
		c.fields(q, c.srv.lockTotals())
	case what == "lock" && len(name) > protocol.MaxKey:
		c.fault(q, protocol.ErrBadFormat)
	case what == "lock" && len(name) > 0:
		lock, err := c.srv.locks.Lookup(name, &c.session)
		c.promiseSight(name, err)
		c.fields(q, c.srv.lockFields(lock))
	case what == "class" && len(name) > 0:
		c.fields(q, c.srv.classFields(string(name)))
	case what == "fills" && c.srv.locks.HasFills():
		c.fields(q, c.srv.fillTotals())
	case what == "fill" && c.srv.locks.HasFills() && len(name) > protocol.MaxKey:
		c.fault(q, protocol.ErrBadFormat)
	case what == "fill" && c.srv.locks.HasFills() && len(name) > 0:
		fill, err := c.srv.locks.Fill(name)
		c.promiseSight(name, err)
		c.fields(q, fillFields(&fill))
	case what == "classes":
		c.fields(q, c.srv.classTable())
	case what == "contended":
		c.fields(q, c.srv.contendedTable())
	case what == "cluster" && c.srv.config.Cluster != nil:
		c.fields(q, c.srv.config.Cluster.Fields())
	default:
		c.fault(q, protocol.ErrNoStats)
	}
}

// lockTotals is the answer to "stats locks".
func (s *Server) lockTotals() []field {
	t := s.locks.Totals()
	var l sheet
	l.num("held", uint64(t.Held))
	l.num("waiters", uint64(t.Queued+t.Polling))
	l.num("waiters_peak", uint64(t.WaitersPeak))
	l.num("queued", uint64(t.Queued))
	l.num("polling", uint64(t.Polling))
	l.num("queued_bytes", uint64(t.QueuedBytes))
	l = s.withLate(append(l, t.Counters.Fields()...), &t.Counters)
	l.num("stats_keys", uint64(t.StatsKeys))
	l.num("memory_bytes", uint64(t.MemoryBytes))
	l.num("store_no_memory", t.NoMemory)
	l.text("settling_ms", ms(s.locks.Settling()))
	l.num("durable", bit(s.durable))
	l.num("journal_failed", bit(s.locks.JournalErr() != nil))
	return l
}

// lockFields are the numbers of one lock, with the names that "stats lock" and
// lockcached:lock: share.
func (s *Server) lockFields(l locks.Lock) []field {
	f := presentFields(&l)
	f.num("rank", uint64(l.Rank))
	f.text("retry_ms", ms(l.Retry))
	f.text("suggested_ttl_ms", ms(l.SuggestedTTL))
	f.text("suggested_wait_ms", ms(l.SuggestedWait))
	f.text("delay_ms", ms(l.Delay))
	f.text("settling_ms", ms(l.Settling))
	return s.withLate(append(f, l.Record.Fields()...), &l.Counters)
}

// withLate adds the late releases where they can be refused.
func (s *Server) withLate(f sheet, c *stats.Counters) sheet {
	if s.locks.GuardsRelease() {
		f.num(stats.LateReleases.String(), c.Count(stats.LateReleases))
	}
	return f
}

// presentFields are the present hold and the numbers of waiters.
func presentFields(l *locks.Lock) (f sheet) {
	held, owner := "0", "-"
	if l.Held {
		held = "1"
	}
	if l.Owner != "" { // an empty owner shows as "-", since the field must have a word
		owner = l.Owner
	}
	f.text("held", held)
	f.text("owner", owner)
	f.num("token", l.Token)
	f.text("age_ms", ms(l.Age))
	left := ms(l.TTL)
	if l.TTL == ttl.Forever {
		left = "-1"
	}
	f.text("ttl_ms", left)
	f.num("waiters", uint64(l.Waiters()))
	f.num("queued", uint64(l.Queued))
	f.num("polling", uint64(l.Polling))
	return f
}

// classFields are the numbers of a class, those of its fills behind those of its locks; nil if
// none are known.
func (s *Server) classFields(name string) []field {
	r, isLock := s.locks.Class(name)
	fills := s.classFillFields(name)
	if !isLock && fills == nil {
		return nil
	}
	f := sheet{{Name: "suggested_ttl_ms", Text: ms(stats.SuggestedTTL(r.HoldLaw))}}
	f = s.withLate(append(f, r.Fields()...), &r.Counters)
	return append(f, fills...)
}

// These tables are for people and dashboards, so "stats classes" has at most maxRows rows, and
// "stats contended" at most mostContended.
const (
	maxRows       = 100
	mostContended = 20
)

// classTable is the answer to "stats classes": a line for each class, the busiest first, with
// its most important numbers in one word.
func (s *Server) classTable() []field {
	var l sheet
	for i, c := range s.locks.Classes() {
		if i == maxRows {
			break
		}
		l.text(word(c.Name), summary(&c.Record))
	}
	return l
}

// contendedTable is the answer to "stats contended".
func (s *Server) contendedTable() []field {
	var l sheet
	for _, c := range s.locks.Contended(mostContended) {
		held := "0"
		if c.Held {
			held = "1"
		}
		l.text(word(c.Name), "held="+held+",waiters="+strconv.Itoa(c.Waiters)+","+summary(&c.Record))
	}
	return l
}

// word shows a key in one word. A key that came as base64 may contain spaces or line ends.
func word(key string) string {
	if strings.ContainsAny(key, " \r\n") {
		return url.PathEscape(key)
	}
	return key
}

// summary shows a record in one word.
func summary(r *stats.Record) string {
	b := append([]byte("acquired="), strconv.FormatUint(r.Count(stats.Acquired), 10)...)
	b = append(append(b, ",refused="...), strconv.FormatUint(r.Count(stats.Refused), 10)...)
	b = append(append(b, ",expired="...), strconv.FormatUint(r.Count(stats.Expired), 10)...)
	b = stats.AppendMs(append(b, ",hold_mean_ms="...), r.Hold.Mean())
	b = stats.AppendMs(append(b, ",hold_stddev_ms="...), r.Hold.Stddev())
	return string(stats.AppendMs(append(b, ",wait_mean_ms="...), r.Wait.Mean()))
}
