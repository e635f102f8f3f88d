package etcd

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soheilhy/cmux"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// port is the one port of a member. etcd by itself has one for members, who speak HTTP/1.1,
// and one for clients, who speak HTTP/2, so the two are told apart by their first bytes.
type port struct {
	listener net.Listener
	mux      cmux.CMux
	clients  net.Listener
	http     *http.Server
	members  atomic.Pointer[http.Handler] // what answers members at present

	mu     sync.Mutex // guards what follows
	grpc   *grpc.Server
	busy   sync.WaitGroup
	closed bool
}

// clientPings is how often a client may at most ask whether the connection is alive; it is
// etcd's default.
const clientPings = 5 * time.Second

// openPort listens. Members are answered by the handler until serve; clients wait.
func openPort(c Config, members http.Handler) (*port, error) {
	l, err := c.listen("tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	if c.TLS.Configured() {
		info := c.TLS.info()
		if l, err = transport.NewTLSListener(l, &info); err != nil {
			return nil, err
		}
	}
	p := &port{listener: l, mux: cmux.New(l)}
	p.mux.SetReadTimeout(rafthttp.ConnReadTimeout) // for the first bytes
	p.members.Store(&members)
	p.http = &http.Server{
		Handler:     http.HandlerFunc(p.answer),
		ReadTimeout: 5 * time.Minute, // as etcd has it: a snapshot takes a while
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	p.clients = p.mux.Match(cmux.HTTP2())
	rest := impatient{p.mux.Match(cmux.Any())}
	p.busy.Go(func() { _ = p.http.Serve(rest) })
	p.busy.Go(func() { _ = p.mux.Serve() })
	return p, nil
}

func (p *port) answer(w http.ResponseWriter, r *http.Request) { (*p.members.Load()).ServeHTTP(w, r) }

// serve lets etcd answer members and clients.
func (p *port) serve(s *etcdserver.EtcdServer) {
	handler := etcdhttp.NewPeerHandler(s.Logger(), s)
	p.members.Store(&handler)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	server := v3rpc.Server(s, nil, nil, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: clientPings}))
	p.grpc = server
	p.busy.Go(func() { _ = server.Serve(p.clients) })
}

// leave cuts off the clients. They go to another member.
func (p *port) leave() {
	p.mu.Lock()
	p.closed = true
	server := p.grpc
	p.mu.Unlock()
	if server != nil {
		server.Stop()
	}
}

// close cuts off everybody.
func (p *port) close() {
	p.leave()
	_ = p.listener.Close()
	_ = p.http.Close()
	p.mux.Close()
	p.busy.Wait()
}

// impatient is a listener whose connections fail if nothing arrives, or can be sent, for as
// long as etcd waits for other members. Otherwise a member that has been cut off would be
// written to until the kernel gives up, and not be listened to when it is back.
type impatient struct{ net.Listener }

func (l impatient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return impatientConn{c}, nil
}

type impatientConn struct{ net.Conn }

func (c impatientConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(rafthttp.ConnReadTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c impatientConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(rafthttp.ConnWriteTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
