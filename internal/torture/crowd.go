//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/protocol"
)

// A crowd is the clients that are at work when SIGTERM comes.
type crowd struct {
	addr       string
	pipeliners []*pipeliner
	quiet      []*quiet
	busy       sync.WaitGroup // the pipeliners
}

// gather connects each clients of each kind, and deaf clients that do not read.
func (c *crowd) gather(ctx context.Context, each, deaf int) error {
	const unheard = 50 // large values: more than all buffers take
	for _, kind := range []struct {
		clients       int
		request, last string
		deaf          bool
	}{
		{each, add(waitFor(heldKey, time.Minute), time.Minute, "waiter"), "NOT_STORED\r\n", false},
		{each, "ms " + heldKey + " 6 ME T60 W60000\r\nwaiter\r\n", "NS\r\n", false},
		{each, "add term:half 0 60 10\r\nhalf", "", false},
		{each, "get term:hal", "", false},
		{each, "", "", false},
		{deaf, strings.Repeat("get "+bigKey+"\r\n", unheard), "", true},
	} {
		for range kind.clients {
			if err := c.add(kind.request, kind.last, kind.deaf); err != nil {
				return err
			}
		}
	}
	if err := c.await(ctx, 2*each); err != nil {
		return err
	}
	for i := range each {
		p, err := newPipeliner(c.addr, i)
		if err != nil {
			return err
		}
		c.pipeliners = append(c.pipeliners, p)
	}
	for _, p := range c.pipeliners {
		c.busy.Go(p.run)
	}
	return nil
}

func (c *crowd) add(request, last string, deaf bool) error {
	conn, err := greet(c.addr)
	if err != nil {
		return err
	}
	c.quiet = append(c.quiet, &quiet{conn, request, last, deaf})
	return conn.send(request, answerWithin)
}

// greet connects, and makes sure that the server knows: it promises nothing to a connection
// that it has not accepted yet.
func greet(addr string) (*client, error) {
	conn, err := dial(addr)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ask("mn\r\n", answerWithin); err != nil {
		conn.reset()
		return nil, err
	}
	return conn, nil
}

// await returns when that many clients wait in line.
func (c *crowd) await(ctx context.Context, waiters int) error {
	conn, err := greet(c.addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	want := fmt.Sprintf(" queued=%d ", waiters)
	for {
		r, err := conn.ask("get "+protocol.LockKey(heldKey)+"\r\n", answerWithin)
		if err != nil || strings.Contains(r.value, want) {
			return err
		}
		if err := rig.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// count notes what has been sent by now, and so has to be answered.
func (c *crowd) count() {
	for _, p := range c.pipeliners {
		p.owed = p.sent.Load()
	}
}

// judge checks what the clients were told, once the server is gone.
func (c *crowd) judge(o *outcome) {
	c.busy.Wait()
	for _, p := range c.pipeliners {
		o.count("pipelined commands answered", p.answered())
		if fault := p.fault(); fault != "" {
			o.find("%s", fault)
		}
	}
	for _, q := range c.quiet {
		if fault := q.fault(); fault != "" {
			o.find("%s", fault)
		}
	}
	o.count("clients that waited or were silent", len(c.quiet))
}

func (c *crowd) close() {
	for _, p := range c.pipeliners {
		p.conn.reset()
	}
	c.busy.Wait()
	for _, q := range c.quiet {
		q.conn.reset()
	}
}

// A quiet client has sent all that it will.
type quiet struct {
	conn          *client
	request, last string // last is how it is answered at the end
	deaf          bool
}

// fault says what is wrong with the answers to the client; "" if nothing is.
func (q *quiet) fault() string {
	if q.deaf {
		return "" // it does not read its answers
	}
	got, err := io.ReadAll(q.conn.in)
	if err != nil && len(got) == 0 && q.last == "" {
		return "" // reset, because of the half command that the server left unread
	}
	if string(got) != q.last {
		return fmt.Sprintf("%.40q was answered %q, %v at the end, want %q", q.request, got, err, q.last)
	}
	return ""
}

// A pipeliner sends batches of commands, each when the one before is answered, until the
// server closes the connection.
type pipeliner struct {
	conn     *client
	requests string
	replies  []string
	sent     atomic.Int64 // batches
	owed     int64        // batches sent before the signal

	whole int64  // batches answered
	part  []byte // of the answer to the next one
	end   error  // why there was no more
}

// newPipeliner connects a client whose number decides whether it reads large
// values.
func newPipeliner(addr string, number int) (*pipeliner, error) {
	conn, err := greet(addr)
	if err != nil {
		return nil, err
	}
	p := &pipeliner{conn: conn}
	key := fmt.Sprint("term:", number)
	for _, step := range []struct{ request, reply string }{
		{add(key, time.Minute, "mine"), "STORED\r\n"},
		{add(key, time.Minute, "again"), "NOT_STORED\r\n"},
		{"get " + key + "\r\n", "VALUE " + key + " 0 4\r\nmine\r\nEND\r\n"},
		{touch(key, time.Minute), "TOUCHED\r\n"},
		{"mn\r\n", "MN\r\n"},
		{fmt.Sprintf("md %s O%d\r\n", key, number), fmt.Sprintf("HD O%d\r\n", number)},
		{"delete " + key + "\r\n", "NOT_FOUND\r\n"},
	} {
		p.requests += step.request
		p.replies = append(p.replies, step.reply)
	}
	if number%4 == 0 {
		p.requests += "get " + bigKey + "\r\n"
		p.replies = append(p.replies, fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", bigKey, bigValue, strings.Repeat("b", bigValue)))
	}
	return p, nil
}

// run works until the server closes the connection, or answers what it should not.
func (p *pipeliner) run() {
	want := []byte(strings.Join(p.replies, ""))
	got := make([]byte, len(want))
	for {
		if p.end = p.conn.send(p.requests, answerWithin); p.end != nil {
			return
		}
		p.sent.Add(1)
		n, err := io.ReadFull(p.conn.in, got)
		if err != nil || !bytes.Equal(got, want) {
			p.part, p.end = got[:n], err
			return
		}
		p.whole++
	}
}

// answered is the number of commands that were answered.
func (p *pipeliner) answered() int { return int(p.whole) * len(p.replies) }

// fault says what is wrong with the answers to the client; "" if nothing is.
func (p *pipeliner) fault() string {
	rest := string(p.part)
	for _, reply := range p.replies {
		if rest == "" {
			break
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, reply); !ok {
			return fmt.Sprintf("%.80q came instead of the answer %.80q", rest, reply)
		}
	}
	if p.whole < p.owed {
		return fmt.Sprintf("%d batches were sent before SIGTERM and %d answered, and %d bytes more: %v", p.owed, p.whole, len(p.part), p.end)
	}
	return ""
}
