package enginetest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A transaction is a Txn on its way from a node to the store and back.
type transaction struct {
	node *Node
	txn  engine.Txn
	term int // of the leader to which it was sent
	Fault
	answer chan answer // of one element
}

type answer struct {
	engine.Outcome
	err error
}

// Txn implements engine.Engine.
func (n *Node) Txn(ctx context.Context, t engine.Txn) (engine.Outcome, error) {
	if err := t.Check(); err != nil {
		return engine.Outcome{}, err
	}
	term, err := n.ready(ctx)
	if err != nil {
		return engine.Outcome{}, err
	}
	x := n.send(t, term)
	select {
	case a := <-x.answer:
		return a.Outcome, a.err
	case <-ctx.Done():
		return engine.Outcome{}, n.unknown(ctx.Err())
	case <-n.closed:
		return engine.Outcome{}, n.unknown(engine.ErrClosed)
	}
}

func (n *Node) send(t engine.Txn, term int) *transaction {
	f := n.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	x := &transaction{node: n, txn: clone(t), term: term, Fault: n.fault(t), answer: make(chan answer, 1)}
	f.after(f.delay()+x.Late, x.arrive)
	return x
}

// clone copies a transaction, which may be carried out when its sender uses the memory for
// something else.
func clone(t engine.Txn) engine.Txn {
	ops := func(ops []engine.Op) []engine.Op {
		ops = slices.Clone(ops)
		for i := range ops {
			ops[i].Value = bytes.Clone(ops[i].Value)
		}
		return ops
	}
	return engine.Txn{If: slices.Clone(t.If), Then: ops(t.Then), Else: ops(t.Else)}
}

// after calls a function with the Fake locked.
func (f *Fake) after(d time.Duration, call func()) {
	time.AfterFunc(d, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		call()
	})
}

// arrive is called when the request reaches the leader, if it does.
func (x *transaction) arrive() {
	switch n := x.node; {
	case n.stalled:
		n.held = append(n.held, x.carry)
	case x.LoseRequest:
		x.fail()
	case x.Refuse != nil:
		x.reply(answer{err: engine.Refused("node %s: %w", n.name, x.Refuse)})
	case x.Late == 0 && (n.cut || x.term != n.fake.term):
		// Lost. One that is late was in the log of the next leader.
	default:
		x.carry()
	}
}

// carry carries the transaction out and sends the answer.
func (x *transaction) carry() {
	f := x.node.fake
	o, full := f.carryOut(x.node.name, x.txn)
	if x.Again > 0 {
		f.after(x.Again, func() { f.carryOut(x.node.name, x.txn) })
	}
	switch {
	case full:
		x.reply(answer{err: x.node.unknown(engine.ErrNoSpace)})
	case x.LoseAnswer:
		x.fail()
	default:
		x.reply(answer{Outcome: o})
	}
}

func (x *transaction) fail() {
	if x.Fail {
		x.reply(answer{err: x.node.unknown(errLost)})
	}
}

// reply sends the answer, which is lost if the node is cut off or the leader gone by the
// time it arrives.
func (x *transaction) reply(a answer) {
	f := x.node.fake
	f.after(f.delay(), func() {
		if !x.node.cut && x.term == f.term {
			x.answer <- a
		}
	})
}
