//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pause    = 100 * time.Millisecond // the longest that a worker waits for an event
	patience = 50                     // pauses in a row without any reply before a worker gives up
)

// A crew is the connections of a cell and the workers that drive them. Load
// and server share the cores, so what a request costs here is kept small:
// sockets without goroutines, requests built beforehand, replies compared and
// not parsed.
type crew struct {
	workers  []*worker
	stopping atomic.Bool
	ended    chan error // one from each worker
	fail     context.CancelCauseFunc
}

// newCrew connects to addr once for each cycle, for workers to share.
func newCrew(addr string, workers int, cycles [][]batch) (*crew, error) {
	c := &crew{ended: make(chan error, workers)}
	for range workers {
		w, err := newWorker(&c.stopping)
		if err != nil {
			c.close()
			return nil, err
		}
		c.workers = append(c.workers, w)
	}
	for i, cycle := range cycles {
		if err := c.workers[i%workers].connect(addr, cycle); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// start lets the workers run until stop. The context it returns is done when
// ctx is, or when a worker fails, which is then its cause.
func (c *crew) start(ctx context.Context) context.Context {
	ctx, c.fail = context.WithCancelCause(ctx)
	for _, w := range c.workers {
		go func() {
			err := w.run()
			if err != nil {
				c.fail(err)
			}
			c.ended <- err
		}()
	}
	return ctx
}

// stop lets each connection finish its cycle, so that no lock stays held, and
// returns what went wrong since start.
func (c *crew) stop() error {
	c.stopping.Store(true)
	var errs []error
	for range c.workers {
		errs = append(errs, <-c.ended)
	}
	c.fail(nil)
	return errors.Join(errs...)
}

// ops returns the number of requests answered since start.
func (c *crew) ops() uint64 {
	var sum uint64
	for _, w := range c.workers {
		sum += w.ops.Load()
	}
	return sum
}

func (c *crew) close() {
	for _, w := range c.workers {
		for _, conn := range w.conns {
			conn.socket.Close()
		}
		unix.Close(w.epoll)
	}
}

// A worker drives its connections from one thread.
type worker struct {
	epoll    int
	conns    []*conn
	busy     int // connections in the middle of a cycle
	buf      []byte
	stopping *atomic.Bool
	ops      atomic.Uint64
}

// A conn repeats its cycle of batches.
type conn struct {
	socket *os.File // owns fd
	fd     int
	cycle  []batch
	at     int // the batch under way
	got    int // bytes of its replies that have come
}

func newWorker(stopping *atomic.Bool) (*worker, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &worker{epoll: epoll, buf: make([]byte, 64<<10), stopping: stopping}, nil
}

func (w *worker) connect(addr string, cycle []batch) error {
	socket, err := dial(addr)
	if err != nil {
		return err
	}
	fd := int(socket.Fd())
	w.conns = append(w.conns, &conn{socket: socket, fd: fd, cycle: cycle})
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("non-blocking socket: %w", err)
	}
	// Level-triggered: a read that took all there was needs no second one to
	// find that out.
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(w.conns) - 1)}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// dial returns a connected socket that the Go runtime does not poll.
func dial(addr string) (*os.File, error) {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%s: not a TCP address", addr)
	}
	// Closing resets: a run makes tens of thousands of connections, and as
	// many ports in TIME_WAIT would be too many.
	if err := tcp.SetLinger(0); err != nil {
		return nil, err
	}
	return tcp.File()
}

// run repeats the cycles of all connections until it is told to stop.
func (w *worker) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	w.busy = len(w.conns)
	for _, c := range w.conns {
		if err := w.send(c); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, 256)
	for quiet := 0; w.busy > 0; quiet++ {
		n, err := unix.EpollWait(w.epoll, events, int(pause.Milliseconds()))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for i := range max(n, 0) {
			if err := w.receive(w.conns[events[i].Fd]); err != nil {
				return err
			}
			quiet = 0
		}
		if quiet == patience {
			return fmt.Errorf("no reply in %v; %d connections wait for one", patience*pause, w.busy)
		}
	}
	return nil
}

// receive takes the replies that have come on c, and goes on to the next batch
// when they are complete.
func (w *worker) receive(c *conn) error {
	n, err := unix.Read(c.fd, w.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return fmt.Errorf("the server closed a connection: %w", io.ErrUnexpectedEOF)
	}
	b := &c.cycle[c.at]
	if got := w.buf[:n]; !b.accepts(got, c.got) {
		return unexpected(*b, got, b.replies[c.got:])
	}
	c.got += n
	if c.got < len(b.replies) {
		return nil
	}
	b.answered()
	w.ops.Add(uint64(b.ops))
	return w.next(c)
}

// next sends the batch after the one that was answered.
func (w *worker) next(c *conn) error {
	c.got = 0
	c.at++
	if c.at == len(c.cycle) {
		c.at = 0
		if w.stopping.Load() {
			w.busy--
			return nil
		}
	}
	return w.send(c)
}

func (w *worker) send(c *conn) error {
	requests := c.cycle[c.at].requests
	n, err := unix.Write(c.fd, requests)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if n < len(requests) {
		// All earlier requests are answered: the socket has room for a few kB.
		return fmt.Errorf("write took %d bytes of %d: %w", n, len(requests), io.ErrShortWrite)
	}
	return nil
}
