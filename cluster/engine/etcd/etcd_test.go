package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
	"github.com/lockcached/lockcached/internal/testenv"
)

// cluster is members in this process that know each other.
type cluster struct {
	t       testing.TB
	configs []Config
	engines []*Engine // nil if the member does not run
}

// newCluster prepares members named a, b, c and so on. Their ports are theirs from now on.
func newCluster(t testing.TB, n int, change func(*Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, engines: make([]*Engine, n)}
	held := &heldPorts{listeners: make(map[string]net.Listener)}
	var peers []engine.Peer
	for i := range n {
		peers = append(peers, engine.Peer{Name: string(rune('a' + i)), Address: held.take(t)})
	}
	for i := range n {
		config := Config{
			Name: peers[i].Name, Dir: t.TempDir(), Peers: peers, listen: held.listen,
			Logger: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
		}
		if change != nil {
			change(&config)
		}
		c.configs = append(c.configs, config)
	}
	t.Cleanup(c.close)
	return c
}

// heldPorts are ports that nobody can take before a member listens.
type heldPorts struct {
	mu        sync.Mutex
	listeners map[string]net.Listener
}

func (h *heldPorts) take(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners[l.Addr().String()] = l
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func (h *heldPorts) listen(network, address string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.listeners[address]; l != nil {
		delete(h.listeners, address)
		return l, nil
	}
	return net.Listen(network, address)
}

// patient is a context for what has to happen.
func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	t.Cleanup(cancel)
	return ctx
}

// start starts some members, or all.
func (c *cluster) start(which ...int) {
	c.t.Helper()
	if len(which) == 0 {
		for i := range c.configs {
			which = append(which, i)
		}
	}
	ctx := patient(c.t)
	errs := make([]error, len(which))
	var busy sync.WaitGroup
	for i, member := range which {
		busy.Go(func() { c.engines[member], errs[i] = Start(ctx, c.configs[member]) })
	}
	busy.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stop(member int) {
	c.t.Helper()
	if err := c.engines[member].Close(); err != nil {
		c.t.Error(err)
	}
	c.engines[member] = nil
}

// kill ends a member as the end of its process would: it hands nothing over.
func (c *cluster) kill(member int) {
	e := c.engines[member]
	e.local.port.close()
	e.local.server().HardStop()
	_ = e.Close()
	c.engines[member] = nil
}

func (c *cluster) close() {
	var busy sync.WaitGroup
	for _, e := range c.engines {
		if e != nil {
			busy.Go(func() { _ = e.Close() })
		}
	}
	busy.Wait()
}

// leader waits until all running members know the leader, and returns its number.
func (c *cluster) leader() (number int) {
	c.t.Helper()
	testenv.Eventually(c.t, "a leader that all know", func() bool {
		number = -1
		for i, e := range c.engines {
			if e != nil && e.local.server().Lead() == uint64(e.local.server().MemberID()) {
				number = i
			}
		}
		if number < 0 {
			return false
		}
		for _, e := range c.engines {
			if e != nil && e.local.server().Lead() != c.engines[number].local.server().Lead() {
				return false
			}
		}
		return true
	})
	return number
}

// must carries out a transaction, as often as needed to know that it was.
func must(t testing.TB, e engine.Engine, ops ...engine.Op) engine.Outcome {
	t.Helper()
	ctx := patient(t)
	for {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		o, err := e.Txn(try, engine.Txn{Then: ops})
		cancel()
		if err == nil {
			return o
		}
		if !errors.Is(err, engine.ErrUnknown) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// value reads a key, as often as needed.
func value(t testing.TB, e engine.Engine, key string) string {
	t.Helper()
	ctx := patient(t)
	for {
		p, _, err := e.Get(ctx, key)
		if err == nil {
			return string(p.Value)
		}
		if !errors.Is(err, engine.ErrUnknown) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// url is the URL at which a member serves clients.
func (c *cluster) url(member int) string {
	u := c.configs[member].url(c.configs[member].Peers[member].Address)
	return u.String()
}

func dial(t testing.TB, c RemoteConfig) *Engine {
	t.Helper()
	e, err := Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestCases: etcd does what every engine has to, as one member, as three, and elsewhere.
func TestCases(t *testing.T) {
	t.Parallel()
	one := newCluster(t, 1, nil)
	one.start()
	three := newCluster(t, 3, nil)
	three.start()
	remote := dial(t, RemoteConfig{URLs: []string{one.url(0)}})
	several := dial(t, RemoteConfig{URLs: []string{three.url(0), three.url(1), three.url(2)}})
	for name, engines := range map[string][]engine.Engine{
		"one":     {one.engines[0]},
		"three":   {three.engines[0], three.engines[1], three.engines[2]},
		"remote":  {remote},
		"several": {several, three.engines[0]},
	} {
		for _, c := range enginetest.Cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) { c.Run(t, fmt.Sprintf("%s/", name), engines...) })
		}
	}
}
