// Package server meets the clients: it accepts connections, reads requests,
// asks package locks what they mean, and writes the replies. It decides nothing
// about locks.
package server

import (
	"cmp"
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/locks"
)

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("server: closed")

// Server serves any number of listeners from one Manager.
type Server struct {
	config   Config
	locks    *locks.Manager
	itemMax  int
	durable  bool // locks are kept in a journal
	policies []policy
	started  time.Time
	detail   detail
	counts   counts

	verbosity atomic.Int32

	mu        sync.Mutex // guards what follows
	loop      *loop      // started when there is a socket to serve
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}
	closing   bool
	idle      sync.WaitGroup // of connections
}

// counts are the totals of the connections that have gone, and what concerns
// no connection in particular.
type counts struct {
	total, rejected, idleKicks    atomic.Uint64
	bytesRead, bytesWritten       atomic.Uint64 // of closed connections
	flushes, metas, yields        atomic.Uint64
	acceptErrors, acceptStalledUs atomic.Uint64
}

type policy struct {
	locks.Pattern
	wait time.Duration
}

// New returns a Server that serves nobody yet.
func New(c Config) *Server {
	c.setDefaults()
	s := &Server{
		config:    c,
		locks:     c.Locks,
		itemMax:   c.Locks.Config().ItemSizeMax,
		durable:   c.Locks.Durable(),
		started:   time.Now(),
		conns:     make(map[*conn]struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
	for _, p := range c.WaitPolicies {
		if pattern, err := locks.NewPattern(p.Pattern); err == nil {
			s.policies = append(s.policies, policy{pattern, p.Wait})
		}
	}
	s.verbosity.Store(int32(c.Settings.Verbosity))
	s.detail.init(c.Settings.StatKeyPrefix, c.Settings.DetailEnabled)
	return s
}

func (c *Config) setDefaults() {
	c.MaxConns = cmp.Or(c.MaxConns, DefaultMaxConns)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.UserTimeout = cmp.Or(c.UserTimeout, DefaultUserTimeout)
	c.Settings.Threads = cmp.Or(c.Settings.Threads, runtime.GOMAXPROCS(0))
	c.Settings.StatKeyPrefix = cmp.Or(c.Settings.StatKeyPrefix, ':')
}

// Serve accepts connections until Shutdown. It survives errors of accept, such
// as having no descriptors left.
func (s *Server) Serve(l net.Listener) error {
	if !s.track(l) {
		return ErrClosed
	}
	defer s.untrack(l)
	var a acceptor
	for {
		nc, err := l.Accept()
		if err == nil {
			err = s.welcome(nc, l)
		}
		switch {
		case err == nil:
			a.pause = 0
		case errors.Is(err, net.ErrClosed):
			if s.isClosing() {
				return ErrClosed
			}
			return err
		default:
			a.failed(s, err)
		}
	}
}

// startLoop starts the loop if it does not run yet.
func (s *Server) startLoop() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		return nil
	}
	l, err := newLoop(s)
	if err != nil {
		return err
	}
	s.loop = l
	for range s.config.Settings.Threads {
		go (&worker{loop: l}).run()
	}
	return nil
}

// acceptor slows down while accepting fails.
type acceptor struct {
	pause  time.Duration
	logged time.Time
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// failed waits a little, longer each time, and logs once a second at most.
func (a *acceptor) failed(s *Server, err error) {
	s.counts.acceptErrors.Add(1)
	if time.Since(a.logged) > time.Second {
		a.logged = time.Now()
		s.config.Logger.Error().Err(err).Msg("cannot accept connections")
	}
	a.pause = min(max(2*a.pause, minAcceptPause), maxAcceptPause)
	s.counts.acceptStalledUs.Add(uint64(a.pause.Microseconds()))
	time.Sleep(a.pause)
}

// welcome starts to serve an accepted connection, or turns it away if there are
// too many: from a loop if it is a bare socket, otherwise from a goroutine of its
// own.
func (s *Server) welcome(nc net.Conn, l net.Listener) error {
	c := newConn(s)
	c.listener = l.Addr()
	fd, remote, err := bare(nc)
	if err == nil && fd >= 0 {
		if err = s.startLoop(); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		_ = nc.Close()
		return err
	}
	if fd < 0 {
		c.stream = nc
	} else {
		c.sock = newSocket(fd, remote)
		defer nc.Close()
	}
	switch {
	case !s.register(c):
		s.counts.rejected.Add(1)
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = nc.Write([]byte("ERROR Too many open connections\r\n"))
		if fd >= 0 {
			_ = unix.Close(fd)
			return nil
		}
		_ = nc.Close()
	case fd < 0:
		go c.serve()
	default:
		s.tune(fd)
		return c.sock.loop.add(c)
	}
	return nil
}

// ServeConn serves one connection and returns when it is closed.
func (s *Server) ServeConn(nc net.Conn) {
	c := newStream(s, nc)
	if !s.register(c) {
		_ = nc.Close()
		return
	}
	c.serve()
}

// register reports false if the connection is not to be served.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= s.config.MaxConns {
		return false
	}
	s.counts.total.Add(1)
	s.conns[c] = struct{}{}
	s.idle.Add(1)
	if c.sock != nil {
		c.sock.loop = s.loop
	}
	if len(s.conns) == 1 && s.config.IdleTimeout > 0 {
		go s.kickIdle()
	}
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock() // nobody may see its bytes twice
	s.counts.bytesRead.Add(c.bytesRead.Load())
	s.counts.bytesWritten.Add(c.bytesWritten.Load())
	delete(s.conns, c)
	s.mu.Unlock()
	s.idle.Done()
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.listeners[l] = struct{}{}
	}
	return !s.closing
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// kickIdle closes connections that sent nothing for too long. It runs while
// there are any connections.
func (s *Server) kickIdle() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		s.mu.Lock()
		if len(s.conns) == 0 {
			s.mu.Unlock()
			return
		}
		for c := range s.conns {
			if c.idleFor() > s.config.IdleTimeout && !c.isParked() {
				s.counts.idleKicks.Add(1)
				c.cutOff()
			}
		}
		s.mu.Unlock()
	}
}

// Shutdown stops accepting, answers those that wait in line, lets every
// connection finish what it has received, and closes. When the context is done
// first, it closes what is left and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.locks.EndWaits()
	s.eachConn((*conn).finish)

	done := make(chan struct{})
	go func() {
		s.idle.Wait()
		s.stopLoop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.eachConn((*conn).cutOff)
		<-done
		return ctx.Err()
	}
}

func (s *Server) stopLoop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		s.loop.stop()
	}
}

func (s *Server) eachConn(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}
