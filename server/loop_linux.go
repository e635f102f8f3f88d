package server

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
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

	aloof bool // the leader's short waits leave other goroutines enough processors

	mu     sync.Mutex // guards what follows
	socks  []*socket  // by descriptor
	mail   []*socket  // to be given a turn, whether or not there are events
	rung   bool       // the bell was rung for mail
	closed bool

	// What follows belongs to the leader.
	events [maxEvents]unix.EpollEvent
	pace   pace

	now atomic.Int64 // when the latest wait ended, on the server's clock
}

const (
	// maxEvents bounds how many sockets with events are taken from epoll at a time.
	maxEvents = maxOps
	// For a batch of manyEvents it is worth waking another thread.
	manyEvents = maxEvents
	// maxLooks is how often the leader polls, where waits are short, before it sleeps.
	maxLooks = 50
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
	l.aloof = s.config.Cluster == nil && runtime.GOMAXPROCS(0) > 1
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
	if !patient {
		return l.look(0)
	}
	polls := l.pace.isFast()
	if polls {
		if n := l.pollOften(); n > 0 {
			l.pace.note(0)
			return n
		}
	}
	began, n := time.Now(), 0
	if !l.pace.isSlow() {
		n = l.doze()
	}
	if n == 0 {
		l.sleep()
		n = l.look(0)
	}
	took := time.Since(began)
	if polls {
		took += shortSleep // about what the looks took
	}
	l.pace.note(took)
	return n
}

// pollOften looks again and again for a time that is worth less than a sleep, and lets other
// threads run in between.
func (l *loop) pollOften() int {
	for range maxLooks {
		if n := l.look(0); n > 0 {
			return n
		}
		_, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
	return 0
}

// doze waits for up to longSleep. If nothing but the loop serves clients, it does not tell the
// scheduler, which costs as much as a hand-off: the other processors run what little there is to
// run, and a garbage collection that begins meanwhile interrupts the call.
func (l *loop) doze() int {
	if l.aloof && l.srv.streams.Load() == 0 {
		return l.look(longSleep)
	}
	n, _ := unix.EpollWait(l.poll, l.events[:], int(longSleep.Milliseconds()))
	return max(0, n)
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

// look returns the number of events in l.events, for the first of which it waits no longer than
// so long. It does not tell the scheduler, since that would cost more than the call itself.
func (l *loop) look(most time.Duration) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.poll), uintptr(unsafe.Pointer(&l.events[0])), maxEvents,
		uintptr(most.Milliseconds()), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
