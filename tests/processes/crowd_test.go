package processes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/internal/testenv"
)

const (
	crowdClients  = 50
	crowdLocks    = 10
	crowdPatience = testenv.Patience // for a lock
)

// crowd is clients that want the same locks, and what they know of them.
type crowd struct {
	t       *testing.T
	members []*member

	mu     sync.Mutex // guards what follows
	holds  map[string]grant
	errors []error // returned by calls
}

// grant is the latest grant of a lock.
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
	for range crowdClients {
		m := &member{crowd: c}
		m.Client = newLockClient(t, client.Config{Servers: []string{address}, Logger: slog.New(zerolog.NewSlogHandler(zerolog.New(m)))})
		c.members = append(c.members, m)
	}
	return c
}

// newLockClient returns a Client that does not take a busy machine for a fault.
func newLockClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	config.Timeout = testenv.Patience
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

// work makes all members take locks and give them back until stop is called.
func (c *crowd) work() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	for _, m := range c.members {
		all.Go(func() {
			for ctx.Err() == nil {
				m.hold(ctx, fmt.Sprint("lock:", rand.IntN(crowdLocks)))
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// hold takes a lock and gives it back. Nobody may hold it meanwhile, or have held it with a
// larger token. hold does so even if ctx has ended.
func (m *member) hold(ctx context.Context, key string) {
	c := m.crowd
	l, err := m.Lock(context.Background(), key, client.TTL(outageLease), client.Wait(crowdPatience))
	if err != nil {
		c.failed(err)
		return
	}
	c.begins(key, l.Token())
	time.Sleep(rand.N(2 * time.Millisecond))
	c.ends(key)
	for err := l.Unlock(); err != nil; err = l.Unlock() {
		c.failed(err)
		if !errors.Is(err, client.ErrUnavailable) || ctx.Err() != nil {
			return
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

// failed notes the error of a call, and takes a break, since the next one may fail at once.
func (c *crowd) failed(err error) {
	c.mu.Lock()
	c.errors = append(c.errors, err)
	c.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
}

// isAtWork waits until every member has held a lock once more.
func (c *crowd) isAtWork() {
	c.t.Helper()
	end := time.Now().Add(crowdPatience)
	for i, m := range c.members {
		for before := m.holds.Load(); m.holds.Load() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.t.Fatalf("client %d gets no lock any more; errors so far: %v", i, errors.Join(c.errors...))
			}
		}
	}
}

// judge reports what a user of the locks would have to complain about, once all have
// stopped. Errors are allowed if the server was away for a second or longer.
func (c *crowd) judge(away time.Duration) {
	c.t.Helper()
	for _, err := range c.errors {
		if away < time.Second || !errors.Is(err, client.ErrUnavailable) {
			c.t.Error(err)
		}
	}
	holds, most := int64(0), 0
	for _, m := range c.members {
		holds += m.holds.Load()
		most = max(most, m.mostInASecond())
	}
	if most > 10 {
		c.t.Errorf("a client has tried %d times in a second", most)
	}
	c.t.Logf("%d holds; away for up to %v; a client has tried up to %d times in a second", holds, away, most)
}

// mostInASecond is the largest number of tries in vain.
func (m *member) mostInASecond() (most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := 0
	for i, r := range m.retries {
		for r.at.Sub(m.retries[first].at) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// findNobody checks what all clients are told when there is no server.
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
			if fault.Tries == 0 || fault.Tries > client.DefaultTries || fault.Spent == 0 || !strings.Contains(err.Error(), told) {
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
	logged := 0
	for _, r := range m.retries {
		if r.Key != key {
			continue
		}
		if logged++; r.Attempt != logged {
			m.crowd.t.Errorf("attempt %d is logged as %d", logged, r.Attempt)
		}
	}
	if logged != tries {
		m.crowd.t.Errorf("%d attempts are logged, want %d", logged, tries)
	}
}
