//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

var fillScenario = &scenario{
	name:  "fill",
	share: 1,
	promise: "Clients get, compute, set and delete keys with policies for fills, and hang up at any moment; a rabble does the " +
		"same on other keys and is killed. Nobody waits for a value that is there or is told that it is missing, no value stays " +
		"that is older than a delete, one at a time is told to compute, and every get is answered.",
	round: fillRound,
}

// What a key of each kind is: the policies of its class, and what follows from them.
type fillKind struct {
	name  string
	stale time.Duration // for so long an expired value is served
	early bool          // a get may be told a miss although the value is there
}

var fillKinds = []fillKind{{name: "held"}, {name: "stale", stale: fillStale}, {name: "early", stale: fillStale, early: true}}

const (
	fillHold  = 5 * time.Second
	fillStale = time.Second
	fillTTL   = time.Second
	// leastFiller is how long a filler is given at least.
	leastFiller = 10 * time.Millisecond
	// fillersPerKey is below the 16 sessions that a server remembers for a key.
	fillersPerKey = 12
)

func (k fillKind) key(i int) string { return fmt.Sprintf("%s:%d", k.name, i) }

func fillFlags() (flags []string) {
	for _, prefix := range []string{"", "wild-"} {
		for _, k := range fillKinds {
			flags = append(flags, "--coalesce", fmt.Sprintf("%s%s:*=%v", prefix, k.name, fillHold))
			if k.stale > 0 {
				flags = append(flags, "--stale", fmt.Sprintf("%s%s:*=%v", prefix, k.name, k.stale))
			}
			if k.early {
				flags = append(flags, "--early", prefix+k.name+":*=1")
			}
		}
	}
	return flags
}

func fillRound(ctx context.Context, t *trial) (o outcome, err error) {
	s, err := t.program.start(ctx, fillFlags()...)
	if err != nil {
		return o, err
	}
	defer s.Stop()
	var logs []*fillLog
	stop := make(chan struct{})
	var fillers sync.WaitGroup
	for _, k := range fillKinds {
		for i := range pick(t, 1, 4, 8) {
			l := &fillLog{fillKind: k, key: k.key(i), began: time.Now()}
			logs = append(logs, l)
			for n := range fillersPerKey {
				f := &keyFiller{log: l, addr: s.addr, name: strconv.Itoa(n), rng: t.split(), stop: stop}
				fillers.Go(f.run)
			}
		}
	}
	killed, err := killRabbles(ctx, t, s.addr)
	close(stop)
	fillers.Wait()
	if err != nil {
		return o, err
	}
	o.count("fillers killed", killed*wildFillers)
	for _, l := range logs {
		if err := l.judge(s.addr, &o); err != nil {
			return o, err
		}
	}
	return o, fillsCalm(ctx, s.addr, &o)
}

const wildFillers = 30

// killRabbles starts processes of clients that do what they like, and kills them.
func killRabbles(ctx context.Context, t *trial, addr string) (killed int, err error) {
	for range pick(t, 2, 10, 100) {
		rabble, err := startRole(nil, fillerRole, addr, strconv.Itoa(wildFillers))
		if err != nil {
			return killed, err
		}
		err = rig.Sleep(ctx, 300*time.Millisecond+within(t.rng, 700*time.Millisecond))
		rabble.Kill()
		rabble.Stop()
		if err != nil {
			return killed, err
		}
		killed++
	}
	return killed, nil
}

// runWild is the main function of such a process. It runs until it is killed.
func runWild(args []string) error {
	clients, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := range clients {
		k := fillKinds[i%len(fillKinds)]
		k.name = "wild-" + k.name
		l := &fillLog{fillKind: k, key: k.key(0), began: time.Now(), wild: true}
		f := &keyFiller{log: l, addr: args[0], name: fmt.Sprint("wild", i), rng: rand.New(rand.NewPCG(rand.Uint64(), 0))}
		go f.run()
	}
	select {}
}

// fillsCalm waits until nobody is held: all clients have gone.
func fillsCalm(ctx context.Context, addr string, o *outcome) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	for end := time.Now().Add(calmWithin); ; {
		r, err := conn.ask("get lockcached:fills\r\n", answerWithin)
		if err != nil {
			return err
		}
		line := " " + r.value + " "
		if strings.Contains(line, " held_gets=0 ") {
			return nil
		}
		if time.Now().After(end) {
			o.find("%v after the last client left gets are held:%s", calmWithin, line)
			return nil
		}
		if err := rig.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// keyFiller is a client that knows get, set and delete.
type keyFiller struct {
	log  *fillLog
	addr string
	name string
	rng  *rand.Rand
	stop chan struct{} // nil if it goes on until it is killed

	conn  *client
	conns int
	sets  int
}

func (f *keyFiller) run() {
	for !f.isOver() {
		if f.conn == nil {
			conn, err := dial(f.addr)
			if err != nil {
				f.log.fault("cannot connect: %v", err)
				return
			}
			f.conn = conn
			f.conns++
		}
		f.act()
	}
	f.hangUp()
}

func (f *keyFiller) isOver() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// act does something at random.
func (f *keyFiller) act() {
	switch {
	case chance(f.rng, 100):
		f.do(&fillOp{kind: deleted}, "delete "+f.log.key+"\r\n")
	case f.log.wild && chance(f.rng, 20):
		f.store("")
	case chance(f.rng, 200):
		f.hangUpWhileHeld()
	default:
		f.look()
	}
	time.Sleep(within(f.rng, 20*time.Millisecond))
}

// look gets the key, and computes it if it is missing.
func (f *keyFiller) look() {
	op := &fillOp{kind: got}
	request := "get " + f.log.key + "\r\n"
	if chance(f.rng, 3) {
		request = "mg " + f.log.key + " v\r\n"
	}
	r, ok := f.do(op, request)
	if !ok || r.word() != "END" && r.word() != "EN" {
		return
	}
	time.Sleep(within(f.rng, 30*time.Millisecond)) // computes
	switch {
	case chance(f.rng, 12) && f.log.mayMisbehave():
		f.hangUp()
	case chance(f.rng, 25) && f.log.mayMisbehave(): // computes, and says nothing
	default:
		f.store(f.id())
	}
}

// id names the session.
func (f *keyFiller) id() string { return fmt.Sprintf("%s.%d", f.name, f.conns) }

func (f *keyFiller) store(by string) {
	f.sets++
	value := fmt.Sprintf("%s-%s.%d", f.name, by, f.sets)
	seconds := int(fillTTL / time.Second)
	f.do(&fillOp{kind: stored, value: value}, fmt.Sprintf("set %s 0 %d %d\r\n%s\r\n", f.log.key, seconds, len(value), value))
}

// do sends a request and records it with its answer.
func (f *keyFiller) do(op *fillOp, request string) (r reply, ok bool) {
	op.by, op.sent = f.id(), f.log.now()
	f.log.begins(op)
	r, err := f.conn.ask(request, fillHold+answerWithin)
	f.log.ends(op, r, err)
	if err != nil {
		f.conn.reset()
		f.conn = nil
		return r, false
	}
	return r, true
}

// hangUpWhileHeld sends a get and does not wait for the answer.
func (f *keyFiller) hangUpWhileHeld() {
	if f.conn.send("get "+f.log.key+"\r\n", answerWithin) == nil {
		time.Sleep(within(f.rng, 10*time.Millisecond))
	}
	f.hangUp()
}

func (f *keyFiller) hangUp() {
	if f.conn == nil {
		return
	}
	op := &fillOp{kind: left, by: f.id(), sent: f.log.now()}
	f.log.begins(op)
	if chance(f.rng, 2) {
		f.conn.reset()
	} else {
		f.conn.Close()
	}
	f.conn = nil
	f.log.ends(op, reply{}, nil)
}
