//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A fillLog is all that was asked about one key, and answered.
type fillLog struct {
	fillKind
	key   string
	began time.Time
	wild  bool // nothing is recorded, and clients may do anything

	mu     sync.Mutex // guards what follows
	ops    []*fillOp
	faults []string
	good   int // values stored since the latest misbehaviour
}

// fillOp is a request with its answer. Times are since the log began.
type fillOp struct {
	kind       fillOpKind
	by         string // the session
	sent, told time.Duration
	value      string // stored, or got; "" is a miss
	err        error  // then nobody knows whether it was carried out
	again      bool   // a miss, told to a session that had been told one before and has stored nothing
}

type fillOpKind uint8

const (
	got fillOpKind = iota
	stored
	deleted
	left // the session hangs up
)

func (l *fillLog) now() time.Duration { return time.Since(l.began) }

func (l *fillLog) begins(op *fillOp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.wild {
		op.told = 1 << 62 // until there is an answer
		l.ops = append(l.ops, op)
	}
}

func (l *fillLog) ends(op *fillOp, r reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	op.told, op.err = l.now(), err
	wants := map[fillOpKind][]string{got: {"END", "EN", "VALUE", "VA"}, stored: {"STORED"}, deleted: {"DELETED", "NOT_FOUND"}, left: {""}}[op.kind]
	if err != nil || !slices.Contains(wants, r.word()) {
		l.faults = append(l.faults, fmt.Sprintf("%s was answered %q, %v", op, r.words, err))
	}
	switch op.kind {
	case got:
		op.value = r.value
	case stored:
		l.good++
	}
}

// mayMisbehave reports whether a filler may store nothing. If most did so, the server would hold
// nobody.
func (l *fillLog) mayMisbehave() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.good < 6 {
		return l.wild
	}
	l.good = 0
	return true
}

func (l *fillLog) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (op *fillOp) String() string {
	what := [...]string{"get", "set", "delete", "hang up"}[op.kind]
	return fmt.Sprintf("%s %q by %s from %v to %v", what, op.value, op.by, op.sent, op.told)
}

// fillHistory is a log by what happened.
type fillHistory struct {
	*fillLog
	stored, deleted, left []*fillOp
	misses                []*fillOp            // in the order in which they were told
	lookUps               map[string][]*fillOp // the misses of each session since it has stored something
	values                map[string]computedValue
}

// computedValue is a value, and the look-ups for which it was computed: the first since the session
// had stored something, and the latest. They are nil if there was none.
type computedValue struct{ stored, first, latest *fillOp }

func (l *fillLog) history() *fillHistory {
	h := &fillHistory{fillLog: l, lookUps: make(map[string][]*fillOp), values: make(map[string]computedValue)}
	for _, op := range l.ops {
		switch {
		case op.kind == deleted:
			h.deleted = append(h.deleted, op)
		case op.kind == left:
			h.left = append(h.left, op)
		case op.kind == stored:
			h.stored = append(h.stored, op)
			x := computedValue{stored: op}
			if all := h.lookUps[op.by]; len(all) > 0 {
				x.first, x.latest = all[0], all[len(all)-1]
			}
			h.values[op.value] = x
			delete(h.lookUps, op.by)
		case op.value == "" && op.err == nil:
			op.again = len(h.lookUps[op.by]) > 0
			h.lookUps[op.by] = append(h.lookUps[op.by], op)
			h.misses = append(h.misses, op)
		}
	}
	slices.SortFunc(h.misses, func(a, b *fillOp) int { return int(a.told - b.told) })
	return h
}

// judge compares what was answered with what is promised. All bounds follow from the order of
// things and from the server's own times, so that a slow machine breaks none.
func (l *fillLog) judge(addr string, o *outcome) error {
	for _, fault := range l.faults {
		o.find("%s: %s", l.key, fault)
	}
	h := l.history()
	gets := 0
	for _, op := range l.ops {
		if op.kind != got || op.err != nil {
			continue
		}
		gets++
		h.judgeGet(op, o)
	}
	o.count("gets", gets)
	o.count("values stored", len(h.values))
	return h.judgeFillers(addr, o)
}

func (h *fillHistory) judgeGet(op *fillOp, o *outcome) {
	if op.value == "" {
		h.judgeMiss(op, o)
	} else if x, ok := h.values[op.value]; !ok {
		o.find("%s: %s: nobody has stored that", h.key, op)
	} else {
		h.judgeHit(op, x, o)
	}
}

// judgeHit checks a get that was answered with a value.
func (h *fillHistory) judgeHit(op *fillOp, value computedValue, o *outcome) {
	x, began := value.stored, value.latest
	if op.told < x.sent {
		o.find("%s: %s, before %s", h.key, op, x)
	}
	if x.err == nil && op.sent > x.told+fillTTL+h.stale {
		o.find("%s: %s, too long after %s", h.key, op, x)
	}
	for _, d := range h.deleted {
		switch {
		case d.err != nil:
		case x.told < d.sent && op.sent > d.told:
			o.find("%s: %s, after %s; the value is from %s", h.key, op, d, x)
		case began != nil && began.told < d.sent && d.told < x.sent && op.sent > x.told:
			o.find("%s: %s: computed since %s, before %s", h.key, op, began, d)
		}
	}
}

// judgeMiss checks a get that was answered by a miss: there was no value all the time, or none
// that may be shown.
func (h *fillHistory) judgeMiss(op *fillOp, o *outcome) {
	if h.early {
		return
	}
	for _, value := range h.values {
		x := value.stored
		if x.err != nil || x.told > op.sent || x.sent+fillTTL < op.told {
			continue
		}
		from := x.sent
		if value.first != nil {
			from = value.first.sent // a delete since then makes the value expire at once
		}
		if !h.isDisturbed(from, op.told, x) {
			o.find("%s: %s, although there was %s", h.key, op, x)
		}
	}
}

// isDisturbed reports whether anything may have removed or replaced a value in that time. What
// others store may be late, and so expire at once.
func (h *fillHistory) isDisturbed(from, to time.Duration, except *fillOp) bool {
	disturbs := func(op *fillOp) bool { return op != except && op.sent < to && op.told > from }
	return slices.ContainsFunc(h.deleted, disturbs) || slices.ContainsFunc(h.stored, disturbs)
}

// judgeFillers checks that one session at a time is told to compute. Another one is if the first
// has stored something or hung up, or its time is over; or if it falls through, which the server
// counts.
func (h *fillHistory) judgeFillers(addr string, o *outcome) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	r, err := conn.ask("get lockcached:fill:"+h.key+"\r\n", answerWithin)
	if err != nil {
		return err
	}
	fell := fieldOf(r.value, "fell_through")
	o.count("misses", len(h.misses))
	o.count("gets that fell through", fell)
	if pairs := h.together(); len(pairs) > fell {
		o.find("%s: told to compute together, with %d that fell through: %s", h.key, fell, strings.Join(pairs, "\n"))
	}
	return nil
}

// together are the pairs of sessions that were told to compute at the same time.
func (h *fillHistory) together() (pairs []string) {
	for i, b := range h.misses {
		if a := h.stillComputes(b, h.misses[:i]); a != nil {
			pairs = append(pairs, fmt.Sprintf("%s; %s", a, b))
		}
	}
	return pairs
}

// stillComputes returns one of the earlier misses whose session was still to compute when another
// one was told so; nil if there is none. What a session asks again is left out: it is told the miss
// again, and given no more time.
func (h *fillHistory) stillComputes(miss *fillOp, earlier []*fillOp) *fillOp {
	for _, a := range slices.Backward(earlier) {
		if miss.told >= a.told+leastFiller {
			return nil
		}
		if miss.told < a.sent+leastFiller && a.by != miss.by && !a.again && !miss.again && !h.hasEnded(a, miss.told) {
			return a
		}
	}
	return nil
}

// hasEnded reports whether the computing that began with a miss may have ended by then.
func (h *fillHistory) hasEnded(miss *fillOp, by time.Duration) bool {
	ended := func(op *fillOp) bool { return op.sent < by && op.told > miss.sent }
	return slices.ContainsFunc(h.stored, ended) ||
		slices.ContainsFunc(h.left, func(op *fillOp) bool { return op.by == miss.by && ended(op) })
}

// fieldOf is a number in a line of name=value pairs, 0 if it is not there.
func fieldOf(line, name string) int {
	for field := range strings.FieldsSeq(line) {
		if text, ok := strings.CutPrefix(field, name+"="); ok {
			n, _ := strconv.Atoi(text)
			return n
		}
	}
	return 0
}
