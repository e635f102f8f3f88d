package server

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop serves sockets from a few goroutines, its workers. One of them leads: it waits
// until some sockets have events, and serves those itself if they are few. If they are
// many, it first passes the lead to another worker. So when a lock goes from hand to hand,
// one thread serves it and hardly ever sleeps; a crowd is served by all threads.
//
// A loop and its sockets call each other, as nothing else in this package does: the loop
// gives the sockets their turns, and they ask it for another turn.
//
// The runtime's own network poller would switch goroutines, and often threads, for each
// request; a stack for each connection would take four times the memory.
type loop struct {
	srv   *Server
	poll  int           // the epoll descriptor
	bell  int           // an eventfd that ends a wait
	alarm *os.File      // an epoll descriptor that watches poll, for sleep
	lead  chan struct{} // the worker that takes its element leads

	mu     sync.Mutex // guards what follows
	socks  []*socket  // by descriptor
	mail   []*socket  // to be given a turn, whether or not there are events
	rung   bool       // the bell was rung for mail
	closed bool

	// What follows belongs to the leader.
	events [maxEvents]unix.EpollEvent
	hurry  bool          // the latest sleep was too short to be worth it
	slept  time.Duration // the longest recent sleep, decaying

	now atomic.Int64 // when the latest wait ended, on the server's clock
}

const (
	// maxEvents bounds how many sockets with events are taken from epoll at a time.
	maxEvents = maxOps
	// For a batch of manyEvents it is worth waking another thread.
	manyEvents = maxEvents
	// A sleep of less than shortSleep costs more than it saves. After one, the leader
	// polls up to maxLooks times before it sleeps, and lets other threads run in between.
	shortSleep = 100 * time.Microsecond
	maxLooks   = 50
	// A sleep of less than longSleep is a system call, which returns sooner but keeps
	// the scheduler's monitor awake. A longer sleep uses the runtime's poller.
	longSleep = 4 * time.Millisecond
)

// startLoop returns the loop, and starts it first if necessary.
func (s *Server) startLoop() (*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		return s.loop, nil
	}
	l, err := newLoop(s)
	if err != nil {
		return nil, err
	}
	s.loop = l
	for range s.config.Settings.Threads {
		go (&worker{loop: l}).run()
	}
	return l, nil
}

func newLoop(s *Server) (*loop, error) {
	l := &loop{srv: s, poll: -1, bell: -1, lead: make(chan struct{}, 1)}
	l.lead <- struct{}{}
	var errs [5]error
	l.poll, errs[0] = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	l.bell, errs[1] = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	alarm, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	errs[2] = err
	if err == nil {
		_ = unix.SetNonblock(alarm, true) // otherwise the runtime would not watch it
		l.alarm = os.NewFile(uintptr(alarm), "alarm")
	}
	errs[3] = control(l.poll, unix.EPOLL_CTL_ADD, l.bell, unix.EPOLLIN)
	errs[4] = control(alarm, unix.EPOLL_CTL_ADD, l.poll, unix.EPOLLONESHOT)
	if err := errors.Join(errs[:]...); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) close() {
	_ = unix.Close(l.poll)
	_ = unix.Close(l.bell)
	_ = l.alarm.Close()
	l.poll = -1
}

// control changes what an epoll descriptor watches.
func control(poll, op, fd int, events uint32) error {
	return unix.EpollCtl(poll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// Events are edge-triggered: the unread input of a parked connection must not keep the loop
// awake.
const watched = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// add begins to serve a connection, or closes it. The connection may have been told to
// finish already, but it must not be closed before the loop knows it.
func (l *loop) add(s *socket) error {
	l.mu.Lock()
	for len(l.socks) <= s.fd {
		l.socks = append(l.socks, nil)
	}
	l.socks[s.fd] = s
	l.mu.Unlock()
	err := control(l.poll, unix.EPOLL_CTL_ADD, s.fd, watched)
	if err != nil {
		s.cutOff()
	}
	if !s.state.CompareAndSwap(attended, unattended) {
		s.input = inputEnds // the events since then were not recorded
		s.state.Store(unattended)
		l.post(s)
	}
	return err
}

// remove closes the socket of a connection that no other goroutine attends to.
func (l *loop) remove(s *socket) {
	l.mu.Lock()
	l.socks[s.fd] = nil
	l.mu.Unlock()
	_ = unix.Close(s.fd)
	l.srv.unregister(s.conn)
}

// post has a worker give the connection a turn soon. It may be called from any goroutine.
func (l *loop) post(s *socket) {
	l.mu.Lock()
	l.mail = append(l.mail, s)
	l.ring()
	l.mu.Unlock()
}

// ring ends the leader's wait. The caller holds l.mu.
func (l *loop) ring() {
	if !l.rung && !l.closed {
		l.rung = true
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(l.bell, one[:])
	}
}

// stop ends the loop. All its connections must be closed.
func (l *loop) stop() {
	l.mu.Lock()
	l.ring()
	l.closed = true
	l.mu.Unlock()
}

// A worker serves the sockets of a loop, together with others. It belongs to one goroutine.
type worker struct {
	loop   *loop
	leads  bool
	batch  []turn    // the turns to give
	next   int       // in batch
	unsent []*socket // have had their turn, with replies still to send
	sent   int       // how many of unsent are done
	later  []*socket // have more to do than fits one turn
	bulk   bulk

	retired bool // it has a successor, and only finishes its batch
}

// turn is a socket that is to be attended to, and its events, 0 if there are none.
type turn struct {
	socket  *socket
	events  uint32
	claimed bool // by the worker
}

// run serves until stop, or until a successor serves in its place.
func (w *worker) run() {
	for w.handleBatch() {
		if w.retired || !w.fill() {
			w.leave()
			return
		}
	}
}

// fill makes the next batch. It reports false when the loop has ended.
func (w *worker) fill() bool {
	w.takeLead()
	if w.leads && !w.loop.collect(w) {
		w.passLead() // so that the others end, too
		return false
	}
	for _, s := range w.later {
		w.batch = append(w.batch, turn{socket: s})
	}
	clear(w.later)
	w.later = w.later[:0]
	if len(w.batch) >= manyEvents {
		w.passLead()
	}
	return true
}

// takeLead makes the worker lead, if no other one does. If another one leads, and w has
// nothing else to do, it waits for the lead.
func (w *worker) takeLead() {
	switch {
	case w.leads:
	case len(w.later) == 0:
		<-w.loop.lead
		w.leads = true
	default:
		select {
		case <-w.loop.lead:
			w.leads = true
		default:
		}
	}
}

// passLead lets another worker lead.
func (w *worker) passLead() {
	if w.leads {
		w.leads = false
		w.loop.lead <- struct{}{}
	}
}

// commit commits the changes that the replies of a batch reflect, once for all connections.
// If it may have to wait for the disk, a successor serves meanwhile.
func (w *worker) commit() {
	locks := w.loop.srv.locks
	switch {
	case len(w.unsent) == 0 || w.sent > 0:
		return
	case w.loop.srv.strict:
		w.confirm()
		return
	case !locks.Pending():
		return
	}
	if locks.CommitWaits() {
		w.retire()
	}
	if locks.Commit() != nil {
		return // each connection finds out which replies it must replace
	}
	for _, s := range w.unsent {
		s.conn.kept = true
	}
}

// confirm is commit in strict mode.
func (w *worker) confirm() {
	mark, promised := uint64(0), false
	for _, s := range w.unsent {
		if p := s.conn.promises; p != nil {
			mark, promised = max(mark, p.latest()), true
		}
	}
	if promised && !w.loop.srv.locks.Confirmed(mark) {
		w.retire()
		_ = w.loop.srv.locks.Confirm(mark) // each connection finds out which replies it must replace
	}
}

// retire starts another worker in w's place. w itself only finishes its batch.
func (w *worker) retire() {
	successor := &worker{loop: w.loop, leads: w.leads, later: w.later}
	w.leads, w.later, w.retired = false, nil, true
	go successor.run()
}

// leave ends a worker: others serve what it has put off.
func (w *worker) leave() {
	w.loop.srv.aios.give(w.bulk.aio)
	w.bulk.aio = nil
	for _, s := range w.later {
		w.loop.post(s)
	}
}

// handleBatch gives the connections of a batch their turns, and then sends all replies
// together, so that they reach the clients at nearly the same time. It reports false when
// the worker has a successor, because it had to wait for a client.
func (w *worker) handleBatch() bool {
	for w.next < len(w.batch) {
		if w.next == w.bulk.readTo {
			w.readAhead()
		}
		t := &w.batch[w.next]
		w.bulk.present = w.next - w.bulk.readAt
		w.next++
		if t.claimed && !t.socket.attend() {
			return false
		}
	}
	w.commit()
	for w.sent < len(w.unsent) {
		if w.sent == w.bulk.sentTo {
			w.sendAhead()
		}
		s := w.unsent[w.sent]
		sent := w.bulk.result(w.sent - w.bulk.sentAt)
		w.sent++
		s.endSend(sent)
		if !s.endTurn() {
			return false
		}
	}
	w.bulk.readTo, w.bulk.sentTo = 0, 0
	clear(w.batch)
	w.batch, w.next = w.batch[:0], 0
	clear(w.unsent)
	w.unsent, w.sent = w.unsent[:0], 0
	return true
}

// collect waits until there are turns to give, and puts them into w's batch. It reports
// false when the loop has ended.
func (l *loop) collect(w *worker) bool {
	n := l.wait(len(w.later) == 0)
	l.now.Store(l.srv.now())

	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.events[:n] {
		e := &l.events[i]
		if int(e.Fd) == l.bell {
			l.takeMail(w)
		} else if s := l.socks[e.Fd]; s != nil {
			w.batch = append(w.batch, turn{socket: s, events: e.Events})
		}
	}
	if l.closed && l.poll >= 0 {
		l.close()
	}
	return !l.closed
}

// takeMail silences the bell and moves the mail into w's batch. The caller holds l.mu.
func (l *loop) takeMail(w *worker) {
	var count [8]byte
	_, _ = unix.Read(l.bell, count[:])
	l.rung = false
	for _, s := range l.mail {
		w.batch = append(w.batch, turn{socket: s})
	}
	clear(l.mail)
	l.mail = l.mail[:0]
}

// wait returns the number of events in l.events. If patient, it first waits for one.
func (l *loop) wait(patient bool) int {
	n := l.look()
	if n > 0 || !patient {
		return n
	}
	for looks := 1; n == 0 && l.hurry; looks++ {
		l.hurry = looks < maxLooks
		_, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		n = l.look()
	}
	if n > 0 {
		return n
	}
	began := time.Now()
	if l.slept < longSleep { // waking from a system call is faster
		n, _ = unix.EpollWait(l.poll, l.events[:], int(longSleep.Milliseconds()))
	}
	if n <= 0 {
		l.sleep()
		n = l.look()
	}
	took := time.Since(began)
	l.hurry = took < shortSleep
	l.slept = max(took, l.slept-l.slept/4)
	return n
}

// sleep waits in the runtime's poller until there is an event. The alarm goes off only
// once, so that it wakes nothing while no worker sleeps.
func (l *loop) sleep() {
	alarm, err := l.alarm.SyscallConn()
	if err != nil {
		return
	}
	_ = alarm.Read(func(fd uintptr) bool {
		var event [1]unix.EpollEvent
		n, _ := unix.EpollWait(int(fd), event[:], 0)
		if n == 0 {
			_ = control(int(fd), unix.EPOLL_CTL_MOD, l.poll, unix.EPOLLIN|unix.EPOLLONESHOT)
			n, _ = unix.EpollWait(int(fd), event[:], 0)
		}
		return n > 0
	})
}

// look returns the number of events now in l.events. It does not tell the scheduler, since
// that would cost more than the call itself.
func (l *loop) look() int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.poll), uintptr(unsafe.Pointer(&l.events[0])), maxEvents, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
