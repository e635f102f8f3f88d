package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/client"
)

const (
	outageClients = 50
	outageLocks   = 10
	outageLease   = time.Hour       // nobody loses a lock because the machine is slow
	outageWait    = 2 * time.Minute // but a lock that nobody releases is noticed
	noticeable    = time.Second     // a server that is away for longer may be missed
)

// outages is how often the server goes away: LOCKCACHED_ROUNDS, or few times.
func outages() int {
	if n, err := strconv.Atoi(os.Getenv("LOCKCACHED_ROUNDS")); err == nil {
		return n
	}
	return 3
}

// TestOutages: clients lock and unlock in loops while their server, which keeps its
// locks on disk, ends and is started again, in an orderly way and killed in turn. None
// of them notices, no lock is doubled or lost, and none asks all the time. When the
// server has gone for good they are told so.
func TestOutages(t *testing.T) {
	flags := []string{"--data", filepath.Join(t.TempDir(), "data")}
	server := start(t, flags...)
	flags = append(flags, "-p", server.port())
	c := newCrowd(t, server.address())
	stop := c.work()
	defer stop()
	for round := range outages() {
		c.isAtWork()
		begun := time.Now()
		if round%2 == 0 {
			server.stop()
		} else {
			server.kill()
		}
		server = start(t, flags...)
		c.longest = max(c.longest, time.Since(begun))
	}
	c.isAtWork()
	stop()
	c.judge()
	server.stop()
	c.findNobody(server.address())
}

// crowd is clients that want the same locks.
type crowd struct {
	t       *testing.T
	members []*member
	longest time.Duration // that the server was away

	mu     sync.Mutex // guards what follows
	holds  map[string]grant
	errors []error // that calls have returned
}

// grant is the latest of a lock.
type grant struct {
	token uint64
	held  bool
}

// member is a client with its log.
type member struct {
	*client.Client
	crowd *crowd
	holds atomic.Int64

	mu      sync.Mutex // guards what follows
	retries []retry
}

// retry is what a client has logged.
type retry struct {
	Key     string
	Attempt int
	at      time.Time
}

func newCrowd(t *testing.T, address string) *crowd {
	c := &crowd{t: t, holds: make(map[string]grant)}
	for range outageClients {
		m := &member{crowd: c}
		m.Client = newLockClient(t, client.Config{Servers: []string{address}, Logger: zerolog.New(m)})
		c.members = append(c.members, m)
	}
	return c
}

// newLockClient returns a Client that takes no busy machine for a fault.
func newLockClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	config.Timeout = time.Minute
	c, err := client.New(config)
	is(t, "new client", err, nil)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Write takes a line of the log.
func (m *member) Write(line []byte) (int, error) {
	r := retry{at: time.Now()}
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, err
	}
	if r.Attempt > 0 {
		m.mu.Lock()
		m.retries = append(m.retries, r)
		m.mu.Unlock()
	}
	return len(line), nil
}

// work lets all take locks and give them back until stop is called.
func (c *crowd) work() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	for _, m := range c.members {
		all.Go(func() {
			for ctx.Err() == nil {
				m.hold(fmt.Sprint("lock:", rand.IntN(outageLocks)))
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// hold takes a lock and gives it back. Nobody may hold it meanwhile, or have held it
// with a larger token.
func (m *member) hold(key string) {
	c := m.crowd
	l, err := m.Lock(context.Background(), key, client.TTL(outageLease), client.Wait(outageWait))
	if err != nil {
		c.failed(err)
		return
	}
	c.begins(key, l.Token())
	time.Sleep(rand.N(2 * time.Millisecond))
	c.ends(key)
	for err := l.Unlock(); err != nil; err = l.Unlock() {
		c.failed(err)
		if !errors.Is(err, client.ErrUnavailable) {
			break
		}
	}
	m.holds.Add(1)
}

func (c *crowd) begins(key string, token uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.holds[key]
	if before.held || token <= before.token {
		c.t.Errorf("%s: token %d after %d, held: %v", key, token, before.token, before.held)
	}
	c.holds[key] = grant{token, true}
}

func (c *crowd) ends(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds[key] = grant{token: c.holds[key].token}
}

// failed notes what a call returned, and takes a break, since the next one may fail at
// once.
func (c *crowd) failed(err error) {
	c.mu.Lock()
	c.errors = append(c.errors, err)
	c.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
}

// isAtWork waits until every member has held a lock once more.
func (c *crowd) isAtWork() {
	c.t.Helper()
	end := time.Now().Add(outageWait)
	for i, m := range c.members {
		for before := m.holds.Load(); m.holds.Load() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				c.t.Fatalf("client %d gets no lock any more; errors so far: %v", i, errors.Join(c.errors...))
			}
		}
	}
}

// judge says what a user of the locks would have to complain about. That a server is
// away for longer than it may be is the machine's fault.
func (c *crowd) judge() {
	c.t.Helper()
	for _, err := range c.errors {
		if c.longest < noticeable || !errors.Is(err, client.ErrUnavailable) {
			c.t.Error(err)
		}
	}
	holds, retries, most := int64(0), 0, 0
	for _, m := range c.members {
		holds += m.holds.Load()
		retries += len(m.retries)
		most = max(most, m.mostInASecond())
	}
	if most > 10 {
		c.t.Errorf("a client has tried %d times in a second", most)
	}
	c.t.Logf("%d holds, %d retries, %d of them by one client in one second; away for %v at most", holds, retries, most, c.longest)
}

func (m *member) mostInASecond() (most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, first := range m.retries {
		n := slices.IndexFunc(m.retries[i:], func(r retry) bool { return r.at.Sub(first.at) >= time.Second })
		if n < 0 {
			n = len(m.retries) - i
		}
		most = max(most, n)
	}
	return most
}

// findNobody checks what all are told when there is no server.
func (c *crowd) findNobody(address string) {
	var all sync.WaitGroup
	for _, m := range c.members {
		all.Go(func() {
			const key = "lock:none"
			_, err := m.Lock(context.Background(), key)
			var fault *client.FaultError
			if !errors.As(err, &fault) {
				c.t.Errorf("without a server: %v", err)
				return
			}
			told := fmt.Sprintf("%s, %d tries in %v", address, fault.Tries, fault.Spent.Round(time.Millisecond))
			if fault.Tries > client.DefaultTries || fault.Spent == 0 || !strings.Contains(err.Error(), told) {
				c.t.Errorf("without a server: %v, want %s", err, told)
			}
			m.hasLogged(key, fault.Tries-1)
		})
	}
	all.Wait()
}

// hasLogged checks that the tries for a key were logged, one after the other.
func (m *member) hasLogged(key string, tries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	logged := slices.DeleteFunc(m.retries, func(r retry) bool { return r.Key != key })
	for i, r := range logged {
		if r.Attempt != i+1 {
			m.crowd.t.Errorf("attempt %d is logged as %d", i+1, r.Attempt)
		}
	}
	if len(logged) != tries {
		m.crowd.t.Errorf("%d retries are logged, want %d", len(logged), tries)
	}
}

// TestComputedOnceOverAnOutage: the server is killed and started again while somebody
// computes what a thousand want. Who waited for the lock goes on to wait: on disk it is
// still held.
func TestComputedOnceOverAnOutage(t *testing.T) {
	const clients, callers = 20, 50
	flags := []string{"--data", filepath.Join(t.TempDir(), "data")}
	server := start(t, flags...)
	config := client.CacheConfig[string]{Lease: outageLease, ServerAway: client.GiveUp}
	var computations atomic.Int32
	computing, done := make(chan bool, clients*callers), make(chan bool)
	compute := func(context.Context) (string, error) {
		computations.Add(1)
		computing <- true
		<-done
		return "value", nil
	}
	var all sync.WaitGroup
	for range clients {
		cached := client.NewCached(newLockClient(t, client.Config{Servers: server.addresses}), config)
		for range callers {
			all.Go(func() {
				value, err := cached.Get(context.Background(), "page:1", compute)
				for errors.Is(err, client.ErrUnavailable) { // the machine is slow
					time.Sleep(100 * time.Millisecond)
					value, err = cached.Get(context.Background(), "page:1", compute)
				}
				if value != "value" || err != nil {
					t.Errorf("got %q, %v", value, err)
				}
			})
		}
	}
	<-computing
	waitForField(t, clientOf(t, server.address()), "lockcached:lock:lock:page:1", fmt.Sprint("queued=", clients-1))
	server.kill()
	server = start(t, append(flags, "-p", server.port())...)
	close(done)
	all.Wait()
	if n := computations.Load(); n != 1 {
		t.Errorf("computed %d times", n)
	}
	server.stop()
}
