package server

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// With policies for fills, the answer to a get of a key that somebody computes is held back
// until the value is there. The connection is parked meanwhile, as that of a claim that waits.
// When all keys that a get waits for are decided, its requests are read once more and answered:
// the keys that it has waited for as their locks.Hold says, all others by what is there by then.
//
// What waits together is one get of several keys; or quiet gets in a row, up to the request that
// asks for their answers (mn, noop). Any other input ends the wait.

// heldGet is a get, or several quiet ones, whose answer is held back.
type heldGet struct {
	hold   *locks.Hold
	conn   *conn
	writer nowWriter     // nil if the connection writes the answer
	head   protocol.Head // of a single get
	text   []byte        // the requests as the client has sent them

	over    atomic.Bool    // all is decided; the answer is written, or the connection has to write it
	hurry   atomic.Bool    // a key is decided that makes it useless to wait for others
	behind  atomic.Bool    // wake the connection when the wait is over
	written bool           // the answer is written
	rest    []byte         // of an answer that the client had no room for
	err     error          // why the answer could not be written
	decided sync.WaitGroup // done when Decided is
	remote  *remoteCall    // the call of another node that is held; nil for a client of this one
}

// maxDirect bounds the values, in bytes, that the goroutine which has stored them sends to those
// who are held. Larger ones are sent by their connections.
const maxDirect = 8 << 10

// maxHeldText bounds the requests, in bytes, that wait together, and maxHeldKeys their keys.
const (
	maxHeldText = 16 << 10
	maxHeldKeys = 1000
)

func (c *conn) newHeldGet() *heldGet {
	p := &heldGet{conn: c}
	p.hold = locks.NewHold(p, &c.session)
	p.decided.Add(1)
	return p
}

// fetch is what to ask package locks for a key; nil without policies for fills. If this get may
// be held back, it has a Hold.
func (c *conn) fetch(key []byte, as locks.Asked, q *protocol.Request) *locks.Fetch {
	if !c.fills {
		return nil
	}
	f := &locks.Fetch{Key: key, Session: &c.session, As: as}
	if c.work.holdable && c.flushBeforeHold() {
		f.Back = c
	}
	return f
}

// HoldBack is the Hold of the present get.
func (c *conn) HoldBack() *locks.Hold {
	if c.work.holding == nil {
		c.work.holding = c.newHeldGet()
	}
	return c.work.holding.hold
}

// flushBeforeHold sends earlier answers, since another goroutine may write the next one.
func (c *conn) flushBeforeHold() bool {
	if c.isRemote() || c.out.Buffered() == 0 && c.promises == nil {
		return true
	}
	return c.flush() == nil
}

// runFills is carryOut with policies for fills.
func (c *conn) runFills(q *protocol.Request) bool {
	switch {
	case c.work.answering != nil: // what was held is read once more
		return c.dispatch(q)
	case isQuietGet(q) && c.member == nil:
		if c.deferQuiet(q) {
			return true
		}
		return c.dispatch(q)
	case q.Verb == protocol.Noop && c.group != nil:
		return c.endGroup()
	case c.group != nil || c.groupFills:
		if !c.leaveGroup() {
			return false
		}
	}
	switch q.Verb {
	case protocol.Get, protocol.Gets, protocol.Gat, protocol.Gats:
		return c.getHoldable(q)
	case protocol.MetaGet:
		c.work.holdable = c.in.Buffered() == 0 && !q.Meta.Has('N')
		return c.parkIfHeld(c.dispatch(q), q)
	}
	return c.dispatch(q)
}

// getHoldable answers a get, or holds it back.
func (c *conn) getHoldable(q *protocol.Request) bool {
	first, rest := q.NextKey(q.Args)
	second, _ := q.NextKey(rest)
	switch {
	case q.More || q.Continued || c.in.Buffered() > 0:
	case len(second) == 0:
		c.work.holdable = !protocol.IsReserved(first)
	case c.holdsAny(q):
		return c.getTogether(q)
	}
	return c.parkIfHeld(c.dispatch(q), q)
}

// parkIfHeld parks the connection if its get was held.
func (c *conn) parkIfHeld(goesOn bool, q *protocol.Request) bool {
	p := c.work.holding
	c.work.holdable, c.work.holding = false, nil
	if p == nil || !p.hold.Waits() {
		return goesOn
	}
	p.head = q.Head
	// In strict mode an answer has to be confirmed; and mg with C may not want the value.
	if !c.srv.strict && (q.Verb != protocol.MetaGet || !q.Meta.Has('C')) {
		p.writer = c.nowWriter()
	}
	p.text = bytes.Clone(c.in.Text())
	return c.hold(p)
}

func (c *conn) holdsAny(q *protocol.Request) bool {
	for key, rest := q.NextKey(q.Args); len(key) > 0; key, rest = q.NextKey(rest) {
		if c.srv.locks.MayHold(key) && !protocol.IsReserved(key) {
			return true
		}
	}
	return false
}

// getTogether answers a get of several keys, or holds it back until all are decided for which
// there is a reason to wait. The filler of one of them waits for none.
func (c *conn) getTogether(q *protocol.Request) bool {
	if !c.flushBeforeHold() {
		return false
	}
	f := &locks.Fetch{Session: &c.session, Back: c, As: askedAs(q)}
	fills, n := false, 0
	for key, rest := q.NextKey(q.Args); len(key) > 0 && n < maxHeldKeys && !fills; key, rest = q.NextKey(rest) {
		if protocol.IsReserved(key) {
			continue
		}
		f.Key = key
		n++
		fills = c.srv.locks.Join(f) == locks.Missing
	}
	p := c.work.holding
	c.work.holding = nil
	if p == nil || !p.hold.Waits() {
		return c.dispatch(q)
	}
	p.text = bytes.Clone(c.in.Text())
	if fills {
		return c.answerNow(p)
	}
	return c.hold(p)
}

func askedAs(q *protocol.Request) locks.Asked {
	switch {
	case q.Verb == protocol.Gat || q.Verb == protocol.Gats:
		return locks.AsGat
	case q.Verb == protocol.MetaGet && q.Meta.Has('T'):
		return locks.AsTouch
	}
	return locks.AsGet
}

// hold parks the connection until all keys that a get waits for are decided.
func (c *conn) hold(p *heldGet) (goesOn bool) {
	if c.isRemote() {
		c.member.remote.hold(p)
		return true
	}
	c.parked = p
	c.state.Store(stateWait)
	c.in.Release() // nothing is read while the client waits
	p.behind.Store(p.writer == nil)
	if !p.hold.Seal() {
		return true
	}
	c.unpark()
	return c.answerHeld(p)
}

// answerNow ends a wait that was not parked, and answers.
func (c *conn) answerNow(p *heldGet) (goesOn bool) {
	p.leave(false)
	return c.answerHeld(p)
}

// leave ends the wait for what is not decided, before Seal.
func (p *heldGet) leave(gone bool) {
	p.conn.srv.locks.Leave(p.hold, gone)
	p.behind.Store(true)
	p.writer = nil
	if !p.hold.Seal() {
		p.decided.Wait()
	}
}

// Decided writes the answer if that needs no connection, and wakes the connection otherwise.
func (p *heldGet) Decided() {
	c := p.conn
	if p.writer != nil && !p.hurry.Load() {
		p.writeNow()
	}
	wake := !p.written || p.err != nil || len(p.rest) > 0
	if p.err != nil {
		c.transport.cutOff()
	}
	if !wake {
		c.lastRead.Store(c.srv.now()) // from now on its idle time counts again
		c.state.Store(stateParse)
	}
	p.over.Store(true)
	wake = wake || p.behind.Load()
	p.decided.Done()
	if wake {
		c.transport.wake()
	}
}

// writeNow writes a small value as the answer, without waiting for the client.
func (p *heldGet) writeNow() {
	it := p.hold.Only()
	if it == nil || len(it.Value()) > maxDirect {
		return
	}
	var out protocol.Writer
	defer out.Drop()
	if p.head.Verb == protocol.MetaGet {
		p.conn.srv.locks.ViewOf(it, &heldView{p, &out})
	} else {
		out.Hit(&p.head, it.Key(), it.Flags, it.Value(), it.CAS())
		out.EndGet(&p.head)
	}
	n, err := p.writer.writeNow(out.Bytes())
	p.written, p.err = true, err
	if err == nil {
		p.conn.bytesWritten.Add(uint64(n))
		p.rest = bytes.Clone(out.Bytes()[n:])
	}
}

// heldView answers an mg that was held and changes nothing.
type heldView struct {
	get *heldGet
	out *protocol.Writer
}

// View answers.
func (a *heldView) View(v *locks.View) {
	_, args := protocol.NextWord(bytes.TrimRight(a.get.text, "\r\n"))
	_, flags := protocol.NextWord(args) // behind the key
	withValue := false
	for flag, rest := protocol.NextWord(flags); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		withValue = withValue || flag[0] == 'v'
	}
	appendView(a.out, v, flags, withValue, func([]byte) {})
}

// Hurried is called when a key is decided that makes it useless to wait for others.
func (p *heldGet) Hurried() {
	p.hurry.Store(true)
	p.conn.transport.wake()
}

func (p *heldGet) isOver() bool { return p.over.Load() || p.hurry.Load() }

// yields: more input may come from another thread, whose set ends the fill.
func (p *heldGet) yields() bool { return true }

func (p *heldGet) hasten() (ends bool) { return true }

func (p *heldGet) finish() { p.behind.Store(true) }

func (p *heldGet) await() {
	if p.hurry.Load() {
		return
	}
	p.decided.Wait()
}

func (p *heldGet) end(gone bool) (goesOn bool) {
	c := p.conn
	if !p.over.Load() && c.srv.locks.Leave(p.hold, gone) {
		c.transport.detach()
		p.decided.Wait()
	} else if p.over.Load() {
		p.decided.Wait()
	}
	c.unpark()
	if !p.written {
		return c.answerHeld(p)
	}
	c.finishHold(p)
	switch {
	case p.err != nil:
		c.writeErr = p.err
		return false
	case len(p.rest) > 0:
		c.out.Raw(p.rest)
	}
	return !broken(c.readErr)
}

// finishHold is called when nothing of the hold is needed any more but how it was decided.
func (c *conn) finishHold(p *heldGet) {
	c.srv.locks.Finish(p.hold)
	c.srv.locks.CloseHold(p.hold)
}

// answerHeld reads the requests that were held once more, and answers them.
func (c *conn) answerHeld(p *heldGet) (goesOn bool) {
	c.srv.locks.Finish(p.hold)
	defer c.srv.locks.CloseHold(p.hold)
	before := c.work
	c.work = works.Get().(*work)
	c.work.answering = p.hold
	replying, begun := c.replying, c.begun
	c.replying = false
	defer func() {
		c.dropWork()
		c.work = before
		c.replying, c.begun = replying, begun
	}()
	goesOn = true
	in := protocol.NewReader(c.srv.itemMax)
	defer in.Close()
	for text := p.text; goesOn && (len(text) > 0 || in.Buffered() > 0); {
		n := copy(in.Space(), text)
		in.Advance(n)
		text = text[n:]
		for goesOn {
			if in.Next(&c.work.req) != nil {
				break
			}
			c.beginReply()
			goesOn = c.run(&c.work.req)
			c.endReply()
		}
		if n == 0 {
			break
		}
	}
	return goesOn && c.flushIfMany() == nil
}

// getFilled answers a get or gat of one key, as far as it is not told a miss, with policies for
// fills.
func (c *conn) getFilled(q *protocol.Request, key []byte) error {
	it, sight := c.decided(key)
	as := askedAs(q)
	switch {
	case sight == locks.Missing:
		c.promiseSight(key, locks.ErrNotFound)
		return locks.ErrNotFound
	case as == locks.AsGat:
		return c.gatFilled(q, key, it)
	case sight == locks.Present:
		c.promiseSight(key, nil)
		c.Item(it)
		return nil
	}
	err := c.srv.locks.Fetch(c.fetch(key, as, q), c)
	if err != locks.ErrHeld {
		c.promiseSight(key, err)
	}
	return err
}

// gatFilled is getFilled for a gat. If it was held, it touches what it is answered with, if that
// is still there.
func (c *conn) gatFilled(q *protocol.Request, key []byte, held *locks.Item) error {
	r := &locks.Renewal{Key: key, Lease: c.lease(q.Exptime), Session: &c.session, Reader: c}
	if held != nil {
		r.Only = held.CAS()
	} else {
		r.Fetch = c.fetch(key, locks.AsGat, q)
	}
	_, err := c.srv.locks.Renew(r)
	if held != nil && err == locks.ErrExists {
		c.srv.locks.CountGat()
		c.Item(held)
		err = nil
	}
	if err != locks.ErrHeld {
		c.promise(key, err)
	}
	return err
}

// lookFilled is Look with policies for fills.
func (c *conn) lookFilled(q *protocol.Request, l *locks.Look) error {
	it, sight := c.decided(q.Key)
	switch {
	case sight == locks.Missing:
		return locks.ErrNotFound
	case sight == locks.Present && !l.Touch:
		c.srv.locks.ViewOf(it, (*looked)(c))
		return nil
	case sight == locks.Present:
		l.Only = it.CAS()
	default:
		l.Fetch = c.fetch(q.Key, askedAs(q), q)
	}
	err := c.srv.locks.Look(l, (*looked)(c))
	if err == locks.ErrExists {
		c.srv.locks.CountGat()
		c.srv.locks.ViewOf(it, (*looked)(c))
		err = nil
	}
	return err
}

// decided returns how a held get of the key is to be answered; Unknown if it was not held for
// that key.
func (c *conn) decided(key []byte) (*locks.Item, locks.Sight) {
	if c.work.answering == nil {
		return nil, locks.Unknown
	}
	return c.work.answering.Take(key)
}
