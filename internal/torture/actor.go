//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/torture/history"
)

// An actor is a client of a history: it wants locks, holds them, loses them,
// meddles with those of others, and breaks its connection now and then.
type actor struct {
	rec    *recording
	rng    *rand.Rand
	number int
	table  int
	epoch  int64
	keys   []string // of the table in the epoch
	conn   *client
	addr   string        // where conn leads
	opened time.Duration // when conn was dialled
	claims int

	troubled bool // the latest request failed: the actor only looks, until that succeeds

	refused bool          // on this connection: claims may wait a moment unasked from then on
	recent  []*history.Op // on this connection: the server may doubt that the answers arrived

	tokens map[string]uint64 // the latest that it saw of each lock
	holds  map[string]string // value by lock, as far as it knows

	ops    []*history.Op
	asked  map[*history.Op]string // the address, of what was not answered
	lost   []lostOp
	ghosts int
	cuts   int
	faults []string
}

// A lostOp is a request during which the connection broke by itself.
type lostOp struct {
	*history.Op
	addr   string
	opened time.Duration // when the connection was dialled
}

func (rec *recording) newActor(rng *rand.Rand, table int) *actor {
	return &actor{
		rec: rec, rng: rng, number: rec.nextClient(), table: table, keys: rec.keysOf(table, 0),
		tokens: make(map[string]uint64), holds: make(map[string]string), asked: make(map[*history.Op]string),
	}
}

const (
	breakOnce   = 100 // a client breaks its connection once in so many requests, and grants
	abandonOnce = 200 // in so many turns a holder leaves its lock to expire
	breather    = 4 * time.Millisecond

	// Of what was not answered in a cluster nobody knows until when it may be carried out. If there is
	// much of that, a history is too hard to judge.
	breakRarely = 20 // times rarer

	afterTrouble = 200 * time.Millisecond // the longest pause after a request that failed
)

// run acts until the round is over.
func (a *actor) run() {
	for int64(a.rec.now()) < a.rec.over.Load() {
		time.Sleep(within(a.rng, breather))
		a.turnPage()
		if a.conn == nil && !a.connect() {
			continue
		}
		key := a.keys[a.rng.IntN(len(a.keys))]
		switch _, holds := a.holds[key]; {
		case a.troubled:
			time.Sleep(within(a.rng, afterTrouble))
			a.gets(key)
		case holds:
			a.asHolder(key)
		default:
			a.asStranger(key)
		}
	}
	if a.conn != nil {
		a.leave(true)
	}
}

// turnPage goes on to the keys of the present epoch.
func (a *actor) turnPage() {
	if epoch := a.rec.epoch.Load(); epoch != a.epoch {
		a.epoch, a.keys = epoch, a.rec.keysOf(a.table, epoch)
		clear(a.holds)
		clear(a.tokens)
	}
}

// connect connects to some node, and reports whether it succeeded. The server may be dead just now.
func (a *actor) connect() bool {
	opened, addr := a.rec.now(), a.rec.addrs[a.rng.IntN(len(a.rec.addrs))]
	conn, err := a.rec.dial(addr)
	if err != nil {
		return false
	}
	a.conn, a.addr, a.opened, a.refused = conn, addr, opened, false
	return true
}

// asHolder does something with a lock that the actor believes it holds.
func (a *actor) asHolder(key string) {
	token := a.tokens[key]
	switch n := a.rng.IntN(100); {
	case chance(a.rng, abandonOnce):
		delete(a.holds, key)
	case n < 15:
		a.touch(key)
	case n < 40:
		a.get(key)
	case token == 0:
		a.gets(key)
	case n < 50:
		a.swap(key, a.holds[key], a.lease(), token)
	case n < 65:
		a.swap(key, a.holds[key], 0, token)
	case n < 85:
		a.remove(key, token)
	default:
		a.delete(key)
	}
}

// asStranger mostly wants the lock, but not always as it should.
func (a *actor) asStranger(key string) {
	token := a.tokens[key]
	switch n := a.rng.IntN(100); {
	case n < 65:
		a.claim(key)
	case n < 80:
		a.gets(key)
	case n < 90:
		a.get(key)
	case n < 93:
		a.touch(key)
	case n < 94:
		a.delete(key)
	case n < 97 && token != 0:
		a.remove(key, token)
	case token != 0:
		a.swap(key, "meddler", a.lease(), token)
	}
}

func (a *actor) lease() time.Duration { return time.Duration(1+a.rng.IntN(2)) * time.Second }

// claim asks for the lock in one of the ways there are.
func (a *actor) claim(key string) {
	a.claims++
	value := fmt.Sprintf("c%d.%d", a.number, a.claims)
	op := &history.Op{Kind: history.Claim, Key: key, Value: value, Lease: a.lease()}
	op.Waits = a.refused || strings.HasPrefix(key, policy)
	wait := 10*time.Millisecond + within(a.rng, 300*time.Millisecond)
	var request string
	switch a.rng.IntN(5) {
	case 0:
		request = add(key, op.Lease, value)
	case 1:
		request = metaAdd(key, op.Lease, value, "")
	case 2:
		op.Waits = true
		request = metaAdd(key, op.Lease, value, fmt.Sprintf(" W%d", wait.Milliseconds()))
	default:
		op.Waits = true
		request = add(waitFor(key, wait), op.Lease, value)
	}
	r, ok := a.perform(op, request)
	a.refused = a.refused || op.Result == history.Refused
	if ok && op.Result == history.Done {
		a.holds[key], a.tokens[key] = value, r.token()
		if chance(a.rng, breakOnce) {
			a.leaveHappy()
		}
	}
}

func (a *actor) touch(key string) {
	op := &history.Op{Kind: history.Touch, Key: key, Lease: a.lease()}
	a.perform(op, touch(key, op.Lease))
}

func (a *actor) delete(key string) {
	a.perform(&history.Op{Kind: history.Delete, Key: key}, "delete "+key+"\r\n")
	delete(a.holds, key)
}

func (a *actor) remove(key string, token uint64) {
	a.perform(&history.Op{Kind: history.Remove, Key: key, Compare: token}, remove(key, token))
	delete(a.holds, key)
}

// swap renews or, without a lease, releases. Either way the old token is no longer good.
func (a *actor) swap(key, value string, lease time.Duration, token uint64) {
	op := &history.Op{Kind: history.Swap, Key: key, Value: value, Lease: lease, Compare: token}
	a.perform(op, cas(key, lease, value, token))
	a.tokens[key] = 0
	if lease == 0 || op.Result != history.Done {
		delete(a.holds, key)
	}
}

func (a *actor) get(key string) { a.look(key, "get "+key+"\r\n") }

func (a *actor) gets(key string) { a.look(key, "gets "+key+"\r\n") }

func (a *actor) look(key, request string) {
	op := &history.Op{Kind: history.Get, Key: key}
	r, ok := a.perform(op, request)
	if !ok {
		return
	}
	op.Value = r.value
	if op.Token != 0 {
		a.tokens[key] = op.Token
	}
	if mine, ok := a.holds[key]; ok && mine != r.value {
		delete(a.holds, key)
	}
}

// perform sends a request and records what came of it. It reports whether there
// was an answer.
func (a *actor) perform(op *history.Op, request string) (reply, bool) {
	op.Client, op.Cut, op.Call = a.number, history.Never, a.rec.now()
	a.ops = append(a.ops, op)
	err := a.conn.send(request, a.rec.patience)
	if err == nil && chance(a.rng, breakOnce) && (!a.rec.isCluster() || chance(a.rng, breakRarely)) {
		a.leaveDuring(op)
		return reply{}, false
	}
	var r reply
	if err == nil {
		r, err = a.conn.answer()
	}
	if err != nil {
		a.lose(op, err)
		return reply{}, false
	}
	op.Return, op.Token = a.rec.now(), r.token()
	if r.word() == "SERVER_ERROR" && a.rec.isCluster() {
		a.fail(op, r)
		return reply{}, false
	}
	a.troubled = false
	a.ghost(op)
	var ok bool
	if op.Result, ok = results[r.word()]; !ok {
		a.faults = append(a.faults, fmt.Sprintf("%s was answered %q", strings.TrimSpace(request), r.words))
		op.Result = history.Unknown
	}
	a.remember(op)
	return r, true
}

// The longest that a claim takes unless it is repeated, on a machine that is not too busy, beside the
// time for which it may wait in line.
const (
	longestClaim = 150 * time.Millisecond
	longestWait  = 310 * time.Millisecond
)

// ghost records that a claim which took long may have been granted, and the grant have ended, before
// what it was told: if a front does not get the owner's answer it asks the next owner. The claim does
// not know of that grant, and does nothing under it.
func (a *actor) ghost(op *history.Op) {
	took := op.Return - op.Call
	if op.Kind != history.Claim || !a.rec.isCluster() || took < longestClaim || op.Waits && took < longestClaim+longestWait {
		return
	}
	ghost := *op
	ghost.Result, ghost.Token, ghost.Waits, ghost.Cut = history.Unknown, 0, true, op.Call
	a.ops = append(a.ops, &ghost)
	a.ghosts++
}

// isOpen reports whether a request to a cluster has no answer.
func (a *actor) isOpen(op *history.Op) bool {
	_, open := a.asked[op]
	return open && a.rec.isCluster()
}

// remember keeps the requests whose answers the server may doubt to have arrived: the
// latest one, and the one before it, since the latest may have been sent before that answer
// came.
func (a *actor) remember(op *history.Op) {
	const doubtful = 2
	a.recent = append(a.recent, op)
	a.recent = a.recent[max(0, len(a.recent)-doubtful):]
}

var results = map[string]history.Result{
	"STORED": history.Done, "HD": history.Done, "DELETED": history.Done, "TOUCHED": history.Done, "VALUE": history.Done,
	"NOT_STORED": history.Refused, "NS": history.Refused,
	"EXISTS": history.Differs, "EX": history.Differs,
	"NOT_FOUND": history.Absent, "NF": history.Absent, "END": history.Absent,
}

// leaveDuring breaks the connection before the answer has come, or at least
// before it was read.
func (a *actor) leaveDuring(op *history.Op) {
	time.Sleep(within(a.rng, 3*time.Millisecond))
	op.Cut = a.rec.now()
	a.asked[op] = a.addr
	a.leave(chance(a.rng, 2))
}

// leaveHappy breaks the connection after a grant. A client that has its answer
// and closes properly keeps its lock.
func (a *actor) leaveHappy() {
	reset := chance(a.rng, 2)
	if !reset {
		a.recent = nil
	}
	a.leave(reset)
}

// leave breaks the connection. The server may take back the grants that it doubts.
func (a *actor) leave(reset bool) {
	for _, op := range a.recent {
		op.Cut = a.rec.now()
	}
	if reset {
		a.conn.reset()
	} else {
		a.conn.Close()
	}
	a.cuts++
	a.left()
}

// left makes a new client of an actor whose connection is gone.
func (a *actor) left() {
	a.conn, a.number, a.recent = nil, a.rec.nextClient(), nil
	clear(a.holds)
}

// lose records a request during which the connection broke by itself.
func (a *actor) lose(op *history.Op, err error) {
	a.asked[op] = a.addr
	if a.troubled = a.rec.isCluster(); a.troubled && !a.rec.smooth && errors.Is(err, os.ErrDeadlineExceeded) {
		a.conn.reset() // it may be stopped
		a.left()
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.faults = append(a.faults, fmt.Sprintf("no answer within %v: %s %v", answerWithin, op.Key, op))
	}
	a.lost = append(a.lost, lostOp{op, a.addr, a.opened})
	a.conn.reset()
	a.left()
}

// failures are what a node may say of a request, beside an answer.
var failures = map[string]bool{
	"no quorum":                                       true,
	"no quorum: other nodes have taken over":          true,
	"owner lost, outcome unknown":                     true,
	"this node has stood still, nothing was released": true,
}

// fail records a request that a node could not answer. The client goes on to another node.
func (a *actor) fail(op *history.Op, r reply) {
	op.Result, op.Token = history.Unknown, 0
	a.asked[op], a.troubled = a.addr, true
	if said := strings.Join(r.words[1:], " "); !failures[said] || a.rec.smooth {
		a.faults = append(a.faults, fmt.Sprintf("%s %v was answered SERVER_ERROR %s", op.Key, op, said))
	}
	a.leave(false)
}
