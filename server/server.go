// Package server serves the clients: it accepts connections, reads requests, has package
// locks carry them out, and writes the replies. It decides nothing about locks.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("server: closed")

// Server serves any number of listeners from one Manager.
type Server struct {
	config  Config
	live    atomic.Pointer[Config] // config, with what Reconfigure has changed
	locks   *locks.Manager
	itemMax int
	// The memory left for requests that have not arrived completely, and for unread answers.
	unfinished, unread *protocol.Allowance

	durable bool // locks are kept in a journal
	strict  bool // every reply about a key is a promise: see promise.go
	started time.Time
	detail  detail
	counts  counts
	guard   *guard
	ending  chan struct{} // closed when Shutdown begins

	badHandshakes seldom

	verbosity atomic.Int32
	crawler   atomic.Bool // enabled: items can be listed
	sessions  atomic.Uint64
	streams   atomic.Int32 // connections that have a goroutine of their own
	confirms  confirms
	pauses    pauses
	aios      aios

	mu        sync.Mutex // guards what follows
	loop      *loop      // started when there is a socket to serve
	conns     map[*conn]struct{}
	remotes   map[*Remote]struct{}
	listeners map[net.Listener]struct{}
	closing   bool
	alone     chan struct{}  // closed when the last connection goes
	idle      sync.WaitGroup // of connections and Remotes
}

// counts are the totals of the connections that have closed, and of what is not counted for
// each connection.
type counts struct {
	total, rejected, idleKicks    atomic.Uint64
	unreadKicks, unfinishedKicks  atomic.Uint64
	bytesRead, bytesWritten       atomic.Uint64 // of closed connections
	flushes, metas, yields        atomic.Uint64
	acceptErrors, acceptStalledUs atomic.Uint64
	logins, loginErrors           atomic.Uint64
	handshakeErrors, tlsErrors    atomic.Uint64
	sessions                      atomic.Uint64 // of TLS, without resumed ones
}

// unreadShare times the memory limit of items is the limit for answers that clients have not
// read. Clients that read large items over slow networks share it.
const unreadShare = 4

// New returns a Server, which serves no connections until Serve is called.
func New(c Config) *Server {
	c.setDefaults()
	s := &Server{
		config:    c,
		locks:     c.Locks,
		itemMax:   c.Locks.Config().ItemSizeMax,
		durable:   c.Locks.Durable(),
		strict:    c.Locks.Strict(),
		started:   time.Now(),
		guard:     newGuard(),
		ending:    make(chan struct{}),
		conns:     make(map[*conn]struct{}),
		remotes:   make(map[*Remote]struct{}),
		listeners: make(map[net.Listener]struct{}),

		unfinished: new(protocol.Allowance),
		unread:     new(protocol.Allowance),
	}
	s.BoundRequests(c.Locks.Config().MemoryLimit)
	s.live.Store(&c)
	s.pauses.longest = int64(c.Pause)
	if c.NoBatchCalls {
		s.aios.refuse(errBatchCallsOff)
	}
	s.crawler.Store(!c.Settings.NoLRUCrawler)
	s.verbosity.Store(int32(c.Settings.Verbosity))
	s.detail.init(c.Settings.StatKeyPrefix, c.Settings.DetailEnabled)
	return s
}

func (c *Config) setDefaults() {
	c.MaxConns = cmp.Or(c.MaxConns, DefaultMaxConns)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.UserTimeout = cmp.Or(c.UserTimeout, DefaultUserTimeout)
	c.justGranted = cmp.Or(c.justGranted, defaultJustGranted)
	c.Pause = cmp.Or(c.Pause, defaultPause)
	c.SendTimeout = cmp.Or(c.SendTimeout, DefaultSendTimeout)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.Settings.Threads = cmp.Or(c.Settings.Threads, runtime.GOMAXPROCS(0))
	c.Settings.StatKeyPrefix = cmp.Or(c.Settings.StatKeyPrefix, ':')
	if c.LogCounts == nil {
		c.LogCounts = func() (written, dropped uint64) { return 0, 0 }
	}
	c.Settings.TLS.WriteBuffer = cmp.Or(c.Settings.TLS.WriteBuffer, DefaultWriteBuffer)
}

// Serve accepts connections until Shutdown, and then returns ErrClosed. It survives errors
// of accept, such as having no descriptors left.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, nil) }

// serve is Serve, or ServeTLS if config is not nil.
func (s *Server) serve(l net.Listener, config *tls.Config) error {
	if !s.track(l) {
		return ErrClosed
	}
	defer s.untrack(l)
	a := &acceptor{srv: s, listener: l}
	defer a.close()
	for {
		nc, err := a.accept()
		if err == nil {
			err = s.welcome(nc, a, config)
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
			a.failed(err)
		}
	}
}

// welcome starts to serve an accepted connection, or turns it away if there are too many.
// The loop serves it if it is a bare socket. Otherwise a goroutine of its own does, which
// begins with the handshake if the client has to speak TLS.
func (s *Server) welcome(nc net.Conn, a *acceptor, config *tls.Config) error {
	if config != nil {
		wire := &tlsWire{Conn: nc}
		s.welcomeStream(tls.Server(wire, config), nc, a)
		return nil
	}
	if served, err := s.welcomeSocket(nc, a); served || err != nil {
		return err
	}
	s.welcomeStream(nc, nc, a)
	return nil
}

// welcomeStream starts to serve a stream over an accepted connection from a goroutine of its
// own. If there are too many it turns the connection away, in plain text.
func (s *Server) welcomeStream(nc, wire net.Conn, a *acceptor) {
	stream := newStream(s, nc)
	stream.conn.acceptor = a
	if !s.register(stream.conn) {
		s.turnAway(wire) // as memcached does
		_ = wire.Close()
		return
	}
	onDescriptor(wire, s.tune)
	go stream.serve()
}

// ServeConn serves one connection and returns when it is closed.
func (s *Server) ServeConn(nc net.Conn) {
	stream := newStream(s, nc)
	if !s.register(stream.conn) {
		_ = nc.Close()
		return
	}
	stream.serve()
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

// Shutdown stops accepting, ends all waits in line, lets every connection finish what it has
// received, and closes them. When the context is done first, it closes the remaining
// connections and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		close(s.ending)
	}
	s.closing = true
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.locks.EndWaits()
	s.eachConn((*conn).finish)
	s.closeRemotes()

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
		s.eachConn(func(c *conn) { c.transport.cutOff() })
		<-done
		return ctx.Err()
	}
}

func (s *Server) stopLoop() {
	s.aios.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loop != nil {
		s.loop.stop()
	}
}

var errBatchCallsOff = errors.New("turned off")

// BatchCalls returns nil if many sockets are read and written with one system call, and
// otherwise why not.
func (s *Server) BatchCalls() error { return s.aios.refusal() }

// ServeTLS is Serve for clients that speak TLS. A handshake keeps no other client waiting.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error { return s.serve(l, config) }
