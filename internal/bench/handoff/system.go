//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
)

// A system is a server that grants locks, with a way to ask for them.
type system struct {
	name       string
	program    string // to be looked up in PATH
	mostLoad   int    // clients; 0 is any number
	newDialect func(clients int) dialect
	backoff    backoff // of clients that are refused
	launch     func(ctx context.Context, path string, conns int) (*running, error)

	path   string // where program is; "" if it is absent
	server *running
}

// running is a server that was started.
type running struct {
	*rig.Process
	addr    string // host:port
	cleanUp func()
}

func (r *running) stop() {
	r.Stop()
	if r.cleanUp != nil {
		r.cleanUp()
	}
}

// etcdClients bounds the clients of etcd: at a hundred hand-offs per second a
// line of a thousand takes ten seconds to form and as long to dissolve.
const etcdClients = 100

func allSystems() []*system {
	return []*system{
		{name: "lockcached", program: "lockcached", newDialect: waitingAdd, launch: launchMemcached},
		{name: "poolcounter", program: "poolcounterd", newDialect: poolCounter, launch: launchPoolCounter},
		{name: "etcd", program: "etcd", newDialect: etcdLock, launch: launchEtcd, mostLoad: etcdClients},
		// The usual way: start with a long pause, double it, and never stop doing so.
		{name: "poll-100ms", program: "memcached", newDialect: polledAdd, launch: launchMemcached,
			backoff: backoff{first: 100 * time.Millisecond}},
		// The best that polling can do, at the price of many tries.
		{name: "poll-1ms", program: "memcached", newDialect: polledAdd, launch: launchMemcached,
			backoff: backoff{first: time.Millisecond, most: 100 * time.Millisecond, jitter: true}},
	}
}

func systemNames() []string {
	var names []string
	for _, s := range allSystems() {
		names = append(names, s.name)
	}
	return names
}

// start starts the server with room for conns connections. It does nothing for
// a server that is absent.
func (s *system) start(ctx context.Context, conns int) error {
	path, err := exec.LookPath(s.program)
	if err != nil {
		return nil //nolint:nilerr // absent is no error
	}
	s.path = path
	if s.server, err = s.launch(ctx, path, conns); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (s *system) stop() {
	if s.server != nil {
		s.server.stop()
	}
}

// whyNot says why the system cannot take the load; "" if it can.
func (s *system) whyNot(l load) string {
	switch {
	case s.path == "":
		return "absent"
	case s.mostLoad > 0 && l.clients > s.mostLoad:
		return "left out"
	}
	return ""
}

// A backoff is how long a client that was refused waits before it asks again:
// twice as long each time.
type backoff struct {
	first  time.Duration
	most   time.Duration // 0 is any
	jitter bool          // anything from nothing to the whole
}

// pause returns the wait after the refusal with this number, from 0 on.
func (b backoff) pause(refusal int) time.Duration {
	const enough = 16 // doublings: more than any run can last
	d := b.first << min(refusal, enough)
	if b.most > 0 {
		d = min(d, b.most)
	}
	if b.jitter {
		d = time.Duration(rand.Int64N(int64(d)))
	}
	return d
}

// launchMemcached starts memcached or lockcached.
func launchMemcached(ctx context.Context, path string, conns int) (*running, error) {
	m, err := rig.StartMemcached(ctx, path, conns)
	if err != nil {
		return nil, err
	}
	return &running{Process: m.Process, addr: m.Addr}, nil
}

// launchPoolCounter starts poolcounterd. Its port is fixed: so that another one
// on this machine is not in the way, ours gets a loopback address of its own.
func launchPoolCounter(ctx context.Context, path string, _ int) (*running, error) {
	const port = "7531"
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	return launch(ctx, exec.Command(path, "-l", host), net.JoinHostPort(host, port), nil)
}

// launchEtcd starts a cluster of one, which writes to a directory of its own.
func launchEtcd(ctx context.Context, path string, _ int) (*running, error) {
	var urls [2]string
	for i := range urls {
		port, err := ports.Free(1)
		if err != nil {
			return nil, err
		}
		urls[i] = "http://127.0.0.1:" + strconv.Itoa(port)
	}
	dir, err := os.MkdirTemp("", "handoff-etcd-")
	if err != nil {
		return nil, err
	}
	clients, peers := urls[0], urls[1]
	cmd := exec.Command(path, "--data-dir", dir, "--log-level", "error",
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
	return launch(ctx, cmd, clients[len("http://"):], func() { os.RemoveAll(dir) })
}

// launch starts cmd and waits until it listens on addr.
func launch(ctx context.Context, cmd *exec.Cmd, addr string, cleanUp func()) (*running, error) {
	process, err := rig.Start(cmd)
	if err != nil {
		return nil, err
	}
	r := &running{process, addr, cleanUp}
	err = process.WaitReady(ctx, func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}
