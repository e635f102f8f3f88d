package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// parked is what a connection waits for before it handles its next request: its client's turn
// in a line (inLine), or the answers of other nodes (calls). Meanwhile its transport is watched
// all the time. If the connection must act when the wait is over, its transport is woken.
type parked interface {
	// isOver may be called from any goroutine.
	isOver() bool
	// yields reports whether more input may end the wait.
	yields() bool
	// hasten is called when more input has arrived, behind the request that waits. It reports
	// whether the connection must now call end.
	hasten() (ends bool)
	// finish is called when the server shuts down: the wait will soon be over.
	finish()
	// await returns when the wait is over.
	await()
	// end brings the wait to its end and continues the connection. If the wait is not over,
	// its client has gone or has sent input that ends it. It reports whether the connection
	// goes on.
	end(gone bool) (goesOn bool)
}

// inLine is a client that waits in line. The goroutine that ends the wait also writes the
// answer, so that a hand-off does not switch goroutines; a worker of the loop writes it together
// with the answer to the release (see heir). Only if that write might block does
// the connection write the answer itself.
type inLine struct {
	conn    *conn
	waiting locks.Waiting
	head    protocol.Head  // of the claim
	meta    *waitingAnswer // of the latest claim that was an ms; nil if there was none
	at      int64          // when the wait ended, on the server's clock
	served  sync.WaitGroup // done when Served is

	armed    bool // served has been added to, and not yet awaited
	byPolicy bool // the client did not ask to wait: more input ends it
	isMeta   bool // the claim is an ms
	how      locks.Outcome
	over     atomic.Bool // the wait has ended; the answer is written, or the connection has to write it
	behind   atomic.Bool // input waits behind the claim: wake the connection when the wait ends
}

// waitingAnswer is what the reply to an ms consists of while the claim waits.
type waitingAnswer struct {
	setAnswer
	text []byte // the memory of its flags and its key
}

var past = time.Unix(1, 0)

// mayWait prepares the wait of a claim: c.spare will answer it. Earlier answers are sent
// first, since another goroutine may write the claim's answer at any time.
func (c *conn) mayWait(wait *locks.Wait) error {
	if c.unsure != nil {
		c.unsure.asked = true
	}
	if err := c.flush(); err != nil {
		return err
	}
	p := c.spare
	if p == nil {
		p = &inLine{conn: c}
		c.spare = p
	}
	p.byPolicy, p.isMeta = !wait.Named, false
	p.head = c.work.req.Head
	p.how = 0
	p.over.Store(false)
	p.behind.Store(c.nowWriter() == nil) // it may be reading, and must be woken
	p.arm()
	wait.Waiter, wait.Waiting = p, &p.waiting
	return nil
}

// startWaiting parks the connection after its claim was queued. The answer may have been
// written already.
func (c *conn) startWaiting() {
	p := c.spare
	c.parked = p
	c.state.Store(stateWait)
	if p.isOver() {
		c.state.Store(stateParse)
	}
	if c.in.Buffered() > 0 {
		p.behind.Store(true)
	}
	if c.isFront() {
		c.member.again = c.newCall(&c.work.req, c.work.put.Key, c.in.Text())
	}
	c.in.Release() // nothing is read while the client waits
}

// Served ends the wait and writes the answer. A client that has gone, or has no room for
// the answer, is cut off. It reports false if the answer could not be written.
func (p *inLine) Served(w *locks.Waiting, how locks.Outcome) bool {
	p.decide(how)
	writer := p.conn.nowWriter()
	if writer == nil || how == locks.Moved {
		p.finished(true)
		return true
	}
	var out protocol.Writer
	p.conn.appendOutcome(&out, p, how)
	n, err := writer.writeNow(out.Bytes())
	return p.answered(&out, n, err)
}

// decide records how the wait has ended.
func (p *inLine) decide(how locks.Outcome) { p.how, p.at = how, p.conn.srv.now() }

// answered ends the wait when n bytes of the answer were written. It reports whether that is all.
func (p *inLine) answered(answer *protocol.Writer, n int, err error) bool {
	c := p.conn
	if err == nil && n < answer.Buffered() {
		err = errUnread
	}
	answer.Drop()
	if err != nil {
		c.writeErr = err
	} else {
		c.bytesWritten.Add(uint64(n))
	}
	p.finished(err == nil)
	return err == nil
}

// finished continues after the wait.
func (p *inLine) finished(answered bool) {
	c := p.conn
	if !answered {
		c.transport.cutOff()
	}
	p.over.Store(true)
	// From now on the server waits for the client: its idle time counts again.
	c.lastRead.Store(p.at)
	c.state.Store(stateParse)
	wake := p.how == locks.Moved || p.behind.Load() // read before the connection can use p for another wait
	p.served.Done()
	if wake {
		c.transport.wake()
	}
}

// arm makes await wait for the next call of Served. (If p is still armed from an earlier
// claim, which was not queued or gave up in time, there is nothing to do.)
func (p *inLine) arm() {
	if !p.armed {
		p.armed = true
		p.served.Add(1)
	}
}

// await returns when Served is done. It may be called more than once.
func (p *inLine) await() {
	p.served.Wait()
	p.armed = false
}

func (p *inLine) isOver() bool { return p.over.Load() }

func (p *inLine) yields() bool { return p.byPolicy }

func (p *inLine) hasten() (ends bool) {
	if !p.byPolicy {
		p.behind.Store(true)
	}
	return p.byPolicy
}

// finish: Shutdown ends all waits.
func (p *inLine) finish() { p.behind.Store(true) }

func (p *inLine) end(gone bool) (goesOn bool) {
	c := p.conn
	goesOn = true
	if p.isOver() || c.srv.locks.GiveUp(&p.waiting, gone) {
		if !p.isOver() {
			c.transport.detach()
		}
		p.await()
		switch {
		case p.how != locks.Moved:
			goesOn = c.afterOutcome(p)
		case gone:
			c.refuseWait(p)
		default:
			c.unpark()
			return c.follow(p)
		}
	} else {
		c.refuseWait(p)
	}
	c.dropAgain()
	c.unpark()
	return goesOn
}

// refuseWait answers a claim that was given up. A client that has only closed its sending side
// may still read this.
func (c *conn) refuseWait(p *inLine) {
	c.begun = c.out.Buffered()
	c.appendOutcome(&c.out, p, locks.TimedOut)
	c.promiseRefusal(p)
}

// afterOutcome continues after another goroutine has ended the wait. It reports whether the
// connection goes on.
func (c *conn) afterOutcome(p *inLine) bool {
	if c.writeErr != nil {
		return false // a grant was withdrawn by the goroutine that made it
	}
	if c.nowWriter() == nil && !c.writeOutcome(p) {
		return false
	}
	beside := c.in.Buffered() > 0
	more := c.transport.readBehind()
	if more {
		c.heard() // sent after the answers before this one
	}
	if p.how == locks.Granted {
		// The client may have sent what was just read before it got the answer, so that is no proof.
		c.addUnsure(p.waiting.Key(), unsureGrant{token: p.waiting.Token(), at: p.at, sure: proof - 1})
		c.unsure.asked = beside || !more
	}
	return !broken(c.readErr) // from a client that has closed, the rest is still read
}

// writeOutcome writes the answer on its own, and so finds out whether all of it could be
// written. If not, a grant is withdrawn.
func (c *conn) writeOutcome(p *inLine) bool {
	c.appendOutcome(&c.out, p, p.how)
	if c.flush() == nil {
		return true
	}
	if p.how == locks.Granted {
		c.srv.withdraw(p.waiting.Key(), p.waiting.Token())
	}
	return false
}

// keepAnswer stores how to answer an ms that may wait. It copies the text, because the
// reader's buffer may be in use again when another goroutine writes the reply.
func (p *inLine) keepAnswer(a *setAnswer) {
	if p.meta == nil {
		p.meta = new(waitingAnswer)
	}
	m := p.meta
	m.text = append(append(m.text[:0], a.flags...), a.key...)
	m.setAnswer = *a
	m.flags, m.key = m.text[:len(a.flags)], m.text[len(a.flags):]
	p.isMeta = true
}

// appendOutcome appends the answer to a claim that was allowed to wait.
func (c *conn) appendOutcome(out *protocol.Writer, p *inLine, how locks.Outcome) {
	done := p.waiting.Stored()
	var err error
	switch how {
	case locks.Granted:
	case locks.Failed:
		err = c.srv.locks.Unconfirmed()
	default:
		err = locks.ErrNotStored
	}
	switch {
	case p.isMeta:
		p.meta.append(out, done, err)
	case err != nil:
		out.Fault(&p.head, faultOf(err))
	default:
		out.Stored(&p.head, done.CAS)
	}
}
