//go:build linux

package main

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	answerWithin = 5 * time.Second
	calmWithin   = 15 * time.Second // until all clients have had their turn at the end
)

// clients want one lock and are driven from one thread: it knows who holds the lock and
// since when it is free, the client costs little, and the server has the other core. A
// client never has more than one request under way.
type clients struct {
	dialect dialect
	backoff backoff
	hold    time.Duration
	all     []*client
	epoll   int
	buf     []byte
	timers  timers
	busy    int  // clients that are not done
	closing bool // a client that has had the lock is done

	holder *client   // nil while the lock is free
	former *client   // the holder before
	freed  time.Time // when it sent its release
	log    log

	served func(*client) error // called at each grant, if set
}

// state is what a client waits for.
type state int

const (
	done      state = iota
	claiming        // the answer to its claim
	holding         // the end of its hold
	releasing       // the answer to its release
	pausing         // the time to ask again
)

type client struct {
	number         int
	socket         *os.File // owns fd
	fd             int
	claim, release []byte // requests
	state          state
	since          time.Time // when it began to want the lock
	refusals       int       // since then
	part           []byte    // of a reply that is not complete
	due            time.Time // while holding or pausing
}

func newClients(s *system, l load) (*clients, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	cs := &clients{
		dialect: s.newDialect(l.clients), backoff: s.backoff, hold: l.hold, epoll: epoll, buf: make([]byte, 4<<10),
	}
	for range l.clients {
		if err := cs.connect(s.server.addr); err != nil {
			cs.close()
			return nil, fmt.Errorf("client %d: %w", len(cs.all), err)
		}
	}
	return cs, nil
}

func (cs *clients) close() {
	for _, c := range cs.all {
		c.socket.Close()
	}
	unix.Close(cs.epoll)
}

// connect adds a client.
func (cs *clients) connect(addr string) error {
	c := &client{number: len(cs.all)}
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return err
	}
	defer conn.Close() // the client's socket is a duplicate that the Go runtime does not poll
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("%s: not a TCP address", addr)
	}
	// Closing resets: thousands of ports in TIME_WAIT would be too many.
	if err := tcp.SetLinger(0); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	if err := cs.dialect.greet(conn, c); err != nil {
		return err
	}
	if c.socket, err = tcp.File(); err != nil {
		return err
	}
	c.fd = int(c.socket.Fd())
	cs.all = append(cs.all, c)
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return fmt.Errorf("non-blocking socket: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.number)}
	if err := unix.EpollCtl(cs.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// drive lets the clients act until the time is over or all are done.
func (cs *clients) drive(ctx context.Context, until time.Time) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	events := make([]unix.EpollEvent, 64)
	for cs.busy > 0 {
		now := time.Now()
		if !now.Before(until) {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := cs.fire(now); err != nil {
			return err
		}
		wake := until
		if len(cs.timers) > 0 && cs.timers[0].due.Before(wake) {
			wake = cs.timers[0].due
		}
		n, err := epollWait(cs.epoll, events, wake.Sub(now))
		if err != nil {
			return fmt.Errorf("epoll_pwait2: %w", err)
		}
		for _, event := range events[:n] {
			if err := cs.receive(cs.all[event.Fd]); err != nil {
				return err
			}
		}
	}
	return nil
}

// epollWait waits for events no longer than d, which epoll_wait would round to
// milliseconds.
func epollWait(epoll int, events []unix.EpollEvent, d time.Duration) (int, error) {
	timeout := unix.NsecToTimespec(max(d.Nanoseconds(), 0))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

// fire lets those act whose hold or pause is over.
func (cs *clients) fire(now time.Time) error {
	for len(cs.timers) > 0 && !now.Before(cs.timers[0].due) {
		c := heap.Pop(&cs.timers).(*client)
		act := cs.release
		if c.state == pausing {
			act = cs.claim
		}
		if err := act(c); err != nil {
			return err
		}
	}
	return nil
}

// want makes a client begin to want the lock.
func (cs *clients) want(c *client, now time.Time) error {
	c.since, c.refusals = now, 0
	cs.busy++
	return cs.claim(c)
}

func (cs *clients) claim(c *client) error {
	c.state = claiming
	return c.send(c.claim)
}

// release frees the lock. The gap begins ahead of the write: the kernel may run
// the server before it returns, and what the server does then would not count.
func (cs *clients) release(c *client) error {
	c.state = releasing
	cs.holder, cs.former, cs.freed = nil, c, time.Now()
	return c.send(c.release)
}

func (c *client) send(request []byte) error {
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = io.ErrShortWrite // all earlier requests are answered: the socket has room
	}
	if err != nil {
		return fmt.Errorf("client %d: write: %w", c.number, err)
	}
	return nil
}

// receive takes what has come for a client.
func (cs *clients) receive(c *client) error {
	n, err := unix.Read(c.fd, cs.buf)
	now := time.Now()
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err == nil && n == 0:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("client %d: read: %w", c.number, err)
	}
	reply := cs.buf[:n]
	if len(c.part) > 0 {
		c.part = append(c.part, reply...)
		reply = c.part
	}
	v, err := cs.dialect.answer(c, reply)
	if err == nil && v == unfinished {
		if len(c.part) == 0 {
			c.part = append(c.part, reply...)
		}
		return nil
	}
	c.part = c.part[:0]
	if err == nil {
		err = cs.proceed(c, v, now)
	}
	if err != nil {
		return fmt.Errorf("client %d: %w", c.number, err)
	}
	return nil
}

// proceed makes a client act on a reply.
func (cs *clients) proceed(c *client, v verdict, now time.Time) error {
	switch {
	case v == granted && c.state == claiming:
		return cs.granted(c, now)
	case v == released && c.state == releasing:
		c.state = done
		cs.busy--
		if cs.closing {
			return nil
		}
		return cs.want(c, now)
	case v == refused && c.state == claiming && cs.backoff != (backoff{}):
		if cs.closing {
			c.state = done
			cs.busy--
			return nil
		}
		c.state = pausing
		cs.wakeAt(c, now.Add(cs.backoff.pause(c.refusals)))
		c.refusals++
		return nil
	}
	return fmt.Errorf("answer %d in state %d", v, c.state)
}

func (cs *clients) granted(c *client, now time.Time) error {
	if cs.holder != nil {
		return fmt.Errorf("was granted the lock that client %d holds", cs.holder.number)
	}
	cs.log.grant(cs.former, c, cs.freed, now)
	cs.holder = c
	c.state = holding
	if cs.served != nil {
		if err := cs.served(c); err != nil {
			return err
		}
	}
	if cs.hold == 0 {
		return cs.release(c)
	}
	cs.wakeAt(c, now.Add(cs.hold))
	return nil
}

// finish lets every client that waits in line have the lock once more, so that
// nothing of this round is left on the server.
func (cs *clients) finish(ctx context.Context) error {
	cs.closing = true
	var holders timers
	for _, c := range cs.timers {
		if c.state == pausing {
			c.state = done
			cs.busy--
		} else {
			holders = append(holders, c)
		}
	}
	cs.timers = holders
	if err := cs.drive(ctx, time.Now().Add(calmWithin)); err != nil {
		return err
	}
	if cs.busy > 0 {
		return errors.New("the line does not end")
	}
	return nil
}

// timers are the clients whose hold or pause ends by itself, as a heap.
type timers []*client

func (cs *clients) wakeAt(c *client, due time.Time) {
	c.due = due
	heap.Push(&cs.timers, c)
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(c any)        { *t = append(*t, c.(*client)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	*t = (*t)[:last]
	return c
}
