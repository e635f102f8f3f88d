//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/internal/torture/history"
)

var historyScenario = &scenario{
	name:  "history",
	share: 5,
	promise: "Clients claim, wait, renew and release while some are cut off and the server is killed and started again. " +
		"For each lock there is an order of all requests, with leases that end no earlier than they may, that explains " +
		"every answer; tokens rise from grant to grant, across locks and restarts.",
	round: historyRound,
}

const (
	clientsPerTable = 6
	keysPerTable    = 2 // few, so that the clients get in each other's way

	// policy is the prefix of the keys whose claims wait although the client does not ask
	// for it.
	policy = "policy:"

	patience = time.Minute // of the checker, for each key
)

// historyServer starts the server that has to outlive its clients.
func historyServer(ctx context.Context, t *trial) (*server, error) {
	mode := fsyncModes[t.rng.IntN(len(fsyncModes))]
	return t.program.start(ctx, "-c", "10000", "--wait", policy+"*=300ms", "--data", t.dir, "--fsync", mode)
}

func historyRound(ctx context.Context, t *trial) (outcome, error) {
	s, err := historyServer(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	defer func() { s.Stop() }() // by then it may be another process
	return recordAndJudge(ctx, t, s, s.addr, pick(t, 1, 2, 2))
}

// recordAndJudge lets clients loose on the server, which they reach at addr, kills it that
// many times meanwhile, and judges what they saw.
func recordAndJudge(ctx context.Context, t *trial, s *server, addr string, kills int) (outcome, error) {
	rec := newRecording(t.name, addr)
	length := pick(t, 1500*time.Millisecond, 3*time.Second, 4*time.Second)
	tables := pick(t, 10, 60, 100)
	rec.over.Store(int64(length))

	var wg sync.WaitGroup
	var actors []*actor
	for table := range tables {
		for range clientsPerTable {
			a := rec.newActor(t.split(), table)
			actors = append(actors, a)
			wg.Go(a.run)
		}
	}
	err := rec.killServer(ctx, t.split(), s, kills)
	wg.Wait()
	if err != nil {
		return outcome{}, err
	}
	o, err := judge(t, rec, rec.collect(actors))
	o.count("kill -9 of the server", kills)
	return o, err
}

// killServer kills the server that many times while the clients are at work, and starts it
// again.
func (rec *recording) killServer(ctx context.Context, rng *rand.Rand, s *server, times int) error {
	for i := range times {
		part := time.Duration(rec.over.Load()) / time.Duration(times)
		at := time.Duration(i)*part + within(rng, part)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(at - rec.now()):
		}
		s.crash()
		rec.died(s.addr)
		if err := s.again(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A recording is what the clients of a round have done.
type recording struct {
	began time.Time
	over  atomic.Int64 // when the clients stop, on their clock
	addrs []string
	name  string // of the round: begins its keys
	epoch atomic.Int64
	cluster

	mu     sync.Mutex // guards what follows
	number int        // of clients
	deaths map[string][]time.Duration
}

// cluster is how clients behave towards a server that is one of several nodes; zero for another.
type cluster struct {
	patience time.Duration // for an answer, beyond the wait that was asked for; then they go elsewhere
	smooth   bool          // no request may fail
	dial     func(addr string) (*client, error)
	within   []string // the command that runs programs where the clients are
}

func newRecording(name string, addrs ...string) *recording {
	return &recording{
		began: time.Now(), addrs: addrs, name: name, deaths: make(map[string][]time.Duration),
		cluster: cluster{patience: answerWithin, dial: dial},
	}
}

// isCluster reports whether clients may go on to another node.
func (rec *recording) isCluster() bool { return len(rec.addrs) > 1 }

// now is the clock of all clients.
func (rec *recording) now() time.Duration { return time.Since(rec.began) }

// died records that the server at that address is dead for certain.
func (rec *recording) died(addr string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.deaths[addr] = append(rec.deaths[addr], rec.now())
}

// keysOf returns the keys of a table in an epoch. In each there are new ones, so that no history
// becomes too hard to judge.
func (rec *recording) keysOf(table int, epoch int64) (keys []string) {
	for i := range keysPerTable {
		key := fmt.Sprintf("%s:%d:%d:%d", rec.name, epoch, table, i)
		if i > 0 {
			key = policy + key
		}
		keys = append(keys, key)
	}
	return keys
}

// nextClient numbers clients. One whose connection broke is a new one when it
// comes back: its last request may still be under way.
func (rec *recording) nextClient() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.number++
	return rec.number - 1
}

// collected is what the clients of a round have done, together.
type collected struct {
	ops    []*history.Op
	open   int // requests without an answer
	ghosts int // claims that may have been granted more than once
	cuts   int // connections that clients broke
	faults []string
}

// collect puts together what the clients have recorded. A request that was not answered
// before the server died had been carried out by then, or never will be.
func (rec *recording) collect(actors []*actor) (all collected) {
	void := make(map[*history.Op]bool)
	for _, a := range actors {
		all.faults = append(all.faults, a.faults...)
		all.cuts += a.cuts
		all.ghosts += a.ghosts
		for _, op := range a.lost {
			death := rec.deathAfter(op.addr, op.opened)
			if death == history.Never {
				all.faults = append(all.faults, fmt.Sprintf("a connection broke though the server lived: %s %v", op.Key, op))
			}
			void[op.Op] = death < op.Call // the server was dead when it was sent
		}
		for _, op := range a.ops {
			if addr, open := a.asked[op]; open {
				rec.leaveOpen(op, addr)
				all.open++
			}
			if void[op] {
				continue
			}
			all.ops = append(all.ops, op)
			if op.Result == history.Unknown && op.Kind == history.Claim && a.isOpen(op) {
				again := *op // its front may have sent it again: see ghost
				all.ops = append(all.ops, &again)
				all.ghosts++
			}
		}
	}
	return all
}

// leaveOpen records until when a request may have been carried out whose answer did not come. In
// a cluster another node may do that, or take a grant back, after its front has died.
func (rec *recording) leaveOpen(op *history.Op, addr string) {
	if !rec.isCluster() {
		op.Return = rec.deathAfter(addr, op.Call)
		return
	}
	op.Return, op.Waits, op.Cut = history.Never, true, op.Call
}

// deathAfter is when the server at that address died next; Never if it lived on.
func (rec *recording) deathAfter(addr string, call time.Duration) time.Duration {
	for _, death := range rec.deaths[addr] {
		if death > call {
			return death
		}
	}
	return history.Never
}

// judge has the checker judge what was recorded.
func judge(t *trial, rec *recording, all collected) (o outcome, err error) {
	began := time.Now()
	checker := history.Checker{Patience: patience, Workers: 2, PerKey: rec.isCluster()}
	verdict := checker.Check(all.ops)
	took := time.Since(began)

	o.count("requests judged", len(all.ops)-all.ghosts)
	o.count("locks judged", verdict.Keys)
	o.count("requests without an answer", all.open)
	o.count("connections broken by clients", all.cuts)
	o.most("longest time to judge a round, s", took.Seconds())
	if rec.isCluster() {
		o.count("claims that a node may have repeated", all.ghosts)
	}
	o.Undecided = len(verdict.Undecided)
	for _, fault := range all.faults {
		o.find("%s", fault)
	}
	for _, violation := range verdict.Findings {
		f, err := t.draw(&violation)
		if err != nil {
			return o, err
		}
		o.Findings = append(o.Findings, f)
	}
	return o, nil
}

// draw turns a violation into a finding, with a picture of the lock's history.
func (t *trial) draw(v *history.Violation) (finding, error) {
	f := finding{What: v.Key + ": " + v.What}
	if !v.Drawable() {
		return f, nil
	}
	file, err := t.keepFile(fileName(v.Key) + ".html")
	if err != nil {
		return f, err
	}
	defer file.Close()
	f.File = file.Name()
	return f, v.Draw(file)
}
