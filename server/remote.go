package server

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// A Remote is the session of a client that is connected to another node. It is the transport
// of a connection whose requests come from Do instead of a socket. No answer of it is judged by
// whether it arrived: the client's front does that. Safe for concurrent use.
type Remote struct {
	conn   *conn
	client remoteAddr

	mu   sync.Mutex // guards what follows
	jobs []func()
	busy bool // a goroutine works through the jobs

	// What follows belongs to that goroutine.
	present remoteCall
	holds   []*heldGet // gets that are held back
	pending int        // replies that are not confirmed
	closed  bool       // by Close
	ended   bool
}

// remoteCall is a request of a Remote.
type remoteCall struct {
	claim    locks.ClaimID
	waited   time.Duration
	reply    Reply
	promises *promises // that must be kept before the reply may leave; nil if there are none
	memory   int       // bytes of the reply that count towards the limit for unread answers
	done     func(Reply)
}

// ErrNotPassed is the reply to what no front passes on. It is not carried out.
var ErrNotPassed = errors.New("not a request for another node")

// OpenRemote returns a session for a client of another node; client is its address. The session
// ends with Close or Shutdown.
func (s *Server) OpenRemote(client string) *Remote {
	r := &Remote{client: remoteAddr(client)}
	r.conn = &conn{srv: s, transport: r, member: &member{remote: r}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.closed = s.closing; r.closed {
		r.ended = true
		return r
	}
	s.remotes[r] = struct{}{}
	s.idle.Add(1)
	return r
}

func (s *Server) closeRemotes() {
	s.mu.Lock()
	all := make([]*Remote, 0, len(s.remotes))
	for r := range s.remotes {
		all = append(all, r)
	}
	s.mu.Unlock()
	for _, r := range all {
		r.Close()
	}
}

// Do carries out one request, which the client has sent as text or as a packet. Of a request
// whose data block its front has refused, text ends before that. A claim has waited elsewhere
// for so long already. Requests that come together are carried out in their order; while a
// claim waits in line, others end with locks.ErrMoved.
//
// Do does not wait. It calls done once, from any goroutine and perhaps at once, when the reply
// is kept as safely as the journal promises; done must not wait.
func (r *Remote) Do(text []byte, claim locks.ClaimID, waited time.Duration, done func(Reply)) {
	r.post(func() { r.do(text, remoteCall{claim: claim, waited: waited, done: done}) })
}

// Hurry ends a wait that the client has not asked for, since it has sent more.
func (r *Remote) Hurry() {
	r.post(func() {
		if p, waits := r.conn.parked.(*inLine); waits && p.byPolicy {
			r.giveUp(p, false)
		}
		r.leaveHolds(false)
	})
}

// Cancel ends a wait, since the client has gone.
func (r *Remote) Cancel() {
	r.post(func() {
		if p, waits := r.conn.parked.(*inLine); waits {
			r.giveUp(p, true)
		}
		r.leaveHolds(true)
	})
}

// Close ends the session and its wait in line. It withdraws no grant: if only the other node
// is lost, the client may still work under its lock.
func (r *Remote) Close() {
	r.Cancel()
	r.post(func() {
		r.closed = true
		r.endIfClosed()
	})
}

// post has job done after all earlier ones, by this goroutine or by one that is at it. So a
// session belongs to one goroutine at a time, and none waits for another one: they may wake
// each other's sessions.
func (r *Remote) post(job func()) {
	r.mu.Lock()
	r.jobs = append(r.jobs, job)
	if r.busy {
		r.mu.Unlock()
		return
	}
	r.busy = true
	for len(r.jobs) > 0 {
		job, r.jobs = r.jobs[0], r.jobs[1:]
		r.mu.Unlock()
		job()
		r.mu.Lock()
	}
	r.jobs, r.busy = nil, false
	r.mu.Unlock()
}

func (r *Remote) do(text []byte, call remoteCall) {
	if r.closed || r.conn.parked != nil {
		call.done(Reply{Err: locks.ErrMoved}) // this node may be about to stop; ask again
		return
	}
	r.present = call
	held := len(r.holds)
	r.conn.handleText(text)
	switch {
	case len(r.holds) > held:
		if p := r.holds[held]; p.hold.Seal() {
			r.answerHeld(p)
		}
	case r.conn.parked == nil:
		r.reply()
	}
}

// hold puts the present request aside until its answer is not held back any more.
func (r *Remote) hold(p *heldGet) {
	call := r.present
	p.remote = &call
	r.holds = append(r.holds, p)
}

// answerHeld answers a request that was put aside.
func (r *Remote) answerHeld(p *heldGet) {
	r.holds = slices.DeleteFunc(r.holds, func(o *heldGet) bool { return o == p })
	present := r.present // of a claim that waits in line
	r.present = *p.remote
	if !r.conn.answerHeld(p) {
		r.fails(ErrNotPassed)
	}
	r.reply()
	r.present = present
}

// leaveHolds ends the wait of all requests that were put aside.
func (r *Remote) leaveHolds(gone bool) {
	for len(r.holds) > 0 {
		p := r.holds[0]
		if !p.over.Load() && !r.conn.srv.locks.Leave(p.hold, gone) {
			p.over.Store(true)
		} else {
			p.decided.Wait()
		}
		r.answerHeld(p)
	}
}

// answerDecided answers the requests that need not be put aside any more.
func (r *Remote) answerDecided() {
	for _, p := range slices.Clone(r.holds) {
		switch {
		case p.over.Load():
		case !p.hurry.Load():
			continue
		case r.conn.srv.locks.Leave(p.hold, false):
			p.decided.Wait()
		}
		r.answerHeld(p)
	}
}

// handleText handles the request of a Remote.
func (c *conn) handleText(text []byte) {
	c.work = works.Get().(*work)
	defer c.dropWork()
	q := &c.work.req
	c.in = protocol.NewReader(c.srv.itemMax)
	c.in.Share(c.srv.unfinished)
	err := c.readText(text, q)
	c.beginReply()
	if !c.handle(q, err) {
		c.member.remote.fails(ErrNotPassed)
	}
	c.endReply()
	c.in.Close()
}

func (c *conn) readText(text []byte, q *protocol.Request) (err error) {
	for err = protocol.ErrShort; err == protocol.ErrShort && len(text) > 0; err = c.in.Next(q) {
		n := copy(c.in.Space(), text)
		c.in.Advance(n)
		text = text[n:]
	}
	if err == protocol.ErrShort {
		err = c.in.CutShort(q)
	}
	return err
}

// resent tells a claim where it has waited before. The client waits no longer than it would
// have there.
func (r *Remote) resent(put *locks.Put, wait *locks.Wait) {
	call := &r.present
	put.Claim, wait.Waited = call.claim, call.waited
	if call.waited > 0 {
		wait.For -= call.waited
	}
}

// grants records that the present request was granted a lock.
func (r *Remote) grants(token uint64) { r.present.reply.Granted, r.present.reply.Token = true, token }

// fails records that the present request has no reply for the client.
func (r *Remote) fails(err error) { r.present.reply = Reply{Err: err} }

// giveUp ends a wait, unless it is just ending.
func (r *Remote) giveUp(p *inLine, gone bool) {
	c := r.conn
	if p.isOver() || c.srv.locks.GiveUp(&p.waiting, gone) {
		return // Served wakes the session
	}
	c.refuseWait(p)
	c.unpark()
	r.reply()
}

// waitOver answers a claim whose wait has ended.
func (r *Remote) waitOver() {
	c := r.conn
	r.answerDecided()
	p, waits := c.parked.(*inLine)
	if !waits || !p.isOver() {
		return
	}
	p.await()
	switch p.how {
	case locks.Moved:
		r.fails(locks.ErrMoved)
	case locks.Failed:
		r.fails(c.srv.locks.Unconfirmed())
	case locks.Granted:
		r.grants(p.waiting.Token())
		fallthrough
	default:
		c.appendOutcome(&c.out, p, p.how)
	}
	c.unpark()
	r.reply()
}

// reply hands over the reply to the present request, now or when it is confirmed.
func (r *Remote) reply() {
	c, call := r.conn, r.present
	if call.reply.Err == nil {
		call.reply.Text = bytes.Clone(c.out.Bytes())
	}
	call.promises, c.promises = c.promises, nil
	r.present = remoteCall{}
	c.out.Drop()
	c.begun = 0
	r.pending++
	if call.promises == nil || call.promises.areConfirmed(c.srv.locks) {
		r.confirmed(&call, nil)
		return
	}
	if call.memory = len(call.reply.Text); call.memory <= uncounted {
		call.memory = 0
	} else if !c.srv.unread.Take(call.memory) {
		call.memory, call.reply.Text = 0, faultText(&call.promises.list[0].head, protocol.ErrNoMemory)
	}
	c.srv.confirms.add(c.srv.locks, withheld{r, call})
}

func faultText(head *protocol.Head, f *protocol.Fault) []byte {
	var w protocol.Writer
	defer w.Drop()
	w.Fault(head, f)
	return bytes.Clone(w.Bytes())
}

// confirmed hands over a reply that was confirmed, or could not be.
func (r *Remote) confirmed(call *remoteCall, err error) {
	r.pending--
	if err != nil && r.conn.breaksAny(call.promises) {
		call.reply = Reply{Err: err}
	}
	r.conn.srv.unread.Give(call.memory)
	call.promises.release()
	call.done(call.reply)
	r.endIfClosed()
}

// endIfClosed ends a session that was closed and has answered everything.
func (r *Remote) endIfClosed() {
	c := r.conn
	if !r.closed || r.ended || c.parked != nil || len(r.holds) > 0 || r.pending > 0 {
		return
	}
	r.ended = true
	c.srv.locks.Close(&c.session)
	c.srv.mu.Lock()
	delete(c.srv.remotes, r)
	c.srv.mu.Unlock()
	c.srv.idle.Done()
}

// remoteAddr is the address of a client of another node.
type remoteAddr string

func (remoteAddr) Network() string  { return "tcp" }
func (a remoteAddr) String() string { return string(a) }

// What follows makes a Remote a transport, whose bytes nobody reads or writes.

func (r *Remote) wake() { r.post(r.waitOver) }

func (r *Remote) remote() net.Addr { return r.client }

func (r *Remote) write(b []byte) (n int, err error) { return len(b), nil }
func (r *Remote) readBehind() bool                  { return false }
func (r *Remote) detach()                           {}
func (r *Remote) served() *locks.Served             { return nil }
func (r *Remote) passLead()                         {}
func (r *Remote) yield() (later bool)               { return false }
func (r *Remote) seeOff() error                     { return nil }
func (r *Remote) cutOff()                           {}
func (r *Remote) isCut() bool                       { return false }
func (r *Remote) inFlight() flight                  { return flight{} }
func (r *Remote) unread() int                       { return 0 }
func (r *Remote) descriptor() int                   { return -1 }
