//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

var termScenario = &scenario{
	name:  "term",
	share: 1,
	promise: "SIGTERM comes while clients send pipelined commands, read large values, wait in line, have sent half a " +
		"command or do not read. What was sent before is answered to the last byte, no answer is given in part, waiters " +
		"are told NOT_STORED, the server exits with 0 within its grace period, and the next one knows the locks.",
	round: termRound,
}

const (
	longGrace  = time.Minute      // among clients that all read
	shortGrace = 2 * time.Second  // among some that do not, which use it up
	graceSlack = 20 * time.Second // for a busy machine

	bigValue = 200_000 // bytes: more than a socket takes at once
	bigKey   = "term:big"
	heldKey  = "term:held"
)

func termRound(ctx context.Context, t *trial) (o outcome, err error) {
	if err := termOnce(ctx, t, longGrace, 0, &o); err != nil || t.form == tiny {
		return o, err
	}
	const deaf = 5
	return o, termOnce(ctx, t, shortGrace, deaf, &o)
}

// termOnce sends SIGTERM to a server while deaf of its clients do not read.
func termOnce(ctx context.Context, t *trial, grace time.Duration, deaf int, o *outcome) error {
	s, err := t.program.start(ctx, "--data", filepath.Join(t.dir, fmt.Sprint("deaf-", deaf)), "--drain", grace.String())
	if err != nil {
		return err
	}
	defer func() { s.Stop() }() // by then it may be another process
	token, err := prepareTerm(s.addr)
	if err != nil {
		return err
	}
	c := &crowd{addr: s.addr}
	defer c.close()
	if err := c.gather(ctx, pick(t, 10, 40, 100), deaf); err != nil {
		return err
	}
	time.Sleep(200*time.Millisecond + within(t.rng, 200*time.Millisecond))
	c.count()
	began := time.Now()
	if err := s.end(grace + graceSlack); err != nil {
		o.find("%v", err)
	}
	took := time.Since(began)
	o.count("SIGTERM", 1)
	o.most(fmt.Sprintf("longest time to exit with %d clients that do not read, ms", deaf), float64(took.Milliseconds()))
	if deaf == 0 { // otherwise all are cut off in the end
		c.judge(o)
	}
	if err := s.again(ctx); err != nil {
		return err
	}
	return checkHolder(s.addr, token, o)
}

// prepareTerm stores the large value, and takes the lock that others will wait
// for. It returns the token.
func prepareTerm(addr string) (token uint64, err error) {
	conn, err := dial(addr)
	if err != nil {
		return 0, err
	}
	defer conn.reset()
	_, err = conn.ask(fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", bigKey, bigValue, strings.Repeat("b", bigValue)), answerWithin)
	if err != nil {
		return 0, err
	}
	r, err := conn.ask(metaAdd(heldKey, longestLease, "holder", ""), answerWithin)
	return r.token(), err
}

// checkHolder makes sure that the lock is still held.
func checkHolder(addr string, token uint64, o *outcome) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	r, err := conn.ask("gets "+heldKey+"\r\n", answerWithin)
	if err == nil && (r.value != "holder" || r.token() != token) {
		o.find("after the restart the lock is %q %v, its token was %d", r.value, r.words, token)
	}
	return err
}
