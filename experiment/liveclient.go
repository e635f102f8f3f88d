package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/stats"
)

// A liveClient is a process that wants a lock: an ordinary memcached client with
// one connection, which the server takes for one waiter.
type liveClient struct {
	player *player
	number int
	name   string // what it stores in the lock
	rand   *rand.Rand
	mc     *memcache.Client

	mu   sync.Mutex
	conn net.Conn // the present one, or nil; guarded by mu
}

// answerWithin is how long a server may take to answer a request that does not wait.
const answerWithin = 10 * time.Second

// longWait is how long waiting in line may take: longer than any table.
const longWait = time.Hour

func newLiveClient(p *player, number int) *liveClient {
	c := &liveClient{
		player: p, number: number, name: "client" + strconv.Itoa(number),
		rand: rand.New(rand.NewPCG(p.seed, mix(p.key+strconv.Itoa(number)))),
	}
	c.mc = newClient(p.table.addr, c.dial)
	if p.policy.wait > 0 {
		c.mc.Timeout += min(p.policy.wait, longWait)
	}
	return c
}

func newClient(addr string, dial dialer) *memcache.Client {
	mc := memcache.New(addr)
	mc.MaxIdleConns = 1
	mc.Timeout = answerWithin
	mc.DialContext = dial
	return mc
}

func (c *liveClient) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.player.table.config.dial(ctx, network, addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return conn, err
}

// connect makes the connection, so that the first try does not have to.
func (c *liveClient) connect(context.Context) error {
	_, err := c.mc.Get(c.player.key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// interruptible calls do, and closes the client's connection when ctx ends, because
// gomemcache has no contexts.
func (c *liveClient) interruptible(ctx context.Context, do func(context.Context, *liveClient) error) error {
	defer context.AfterFunc(ctx, c.hangUp)()
	return do(ctx, c)
}

func (c *liveClient) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
	}
}

// free ends a hold that an interruption may have left behind.
func (c *liveClient) free() {
	mc := newClient(c.player.table.addr, c.player.table.config.dial)
	// If that fails the server is gone, or frees the lock when its lease ends.
	_ = mc.Delete(c.player.key)
	_ = mc.Close()
}

func (c *liveClient) close() { _ = c.mc.Close() }

// teach takes another lock of the same class again and again for a little while, with
// hold times like those to come.
func (c *liveClient) teach(ctx context.Context) error {
	end := time.Now().Add(lessonTime)
	key := c.player.key + strconv.Itoa(c.number)
	for range lessons {
		hold := c.player.law.hold(c.rand)
		if time.Now().Add(hold).After(end) {
			return nil // this leaves out long holds; the table corrects that
		}
		if err := c.mc.Add(c.item(key)); err != nil {
			return err
		}
		sleep(ctx, hold)
		if err := c.mc.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// item returns a claim. Its lease is for the case that we are killed.
func (c *liveClient) item(key string) *memcache.Item {
	lease := max(10*time.Minute, 100*c.player.law.Mean)
	return &memcache.Item{Key: key, Value: []byte(c.name), Expiration: int32(lease / time.Second)}
}

// obtain tries as the policy says until it has the lock.
func (c *liveClient) obtain(ctx context.Context) (tries int, err error) {
	p := c.player
	r := refusal{rand: c.rand}
	for {
		asked := time.Now()
		err := c.claim()
		refused := errors.Is(err, memcache.ErrNotStored)
		if err == nil || refused { // otherwise it was interrupted
			p.noteTry()
		}
		if !refused {
			return r.nth + 1, err
		}
		r.nth++
		r.last, err = c.pause(&r, time.Since(asked))
		if err != nil {
			return r.nth, err
		}
		if !sleep(ctx, r.last) {
			return r.nth, ctx.Err()
		}
	}
}

// claim is one try.
func (c *liveClient) claim() error {
	key := c.player.key
	if wait := min(c.player.policy.wait, longWait); wait > 0 {
		key = protocol.WaitKey(wait, key)
	}
	return c.mc.Add(c.item(key))
}

func (c *liveClient) release() error { return c.mc.Delete(c.player.key) }

// pause returns how long to sleep after a refusal that took so long.
func (c *liveClient) pause(r *refusal, took time.Duration) (time.Duration, error) {
	p := c.player.policy
	if p.pause == nil {
		// The line was full, or the server allows only short waits.
		return max(0, base-took), nil
	}
	var err error
	if p.needs&tells != 0 {
		r.scene, err = c.look()
	}
	if p.needs&advises != 0 && err == nil {
		r.advice, err = c.advice()
	}
	return p.pause(r), err
}

// advice asks when to come back, on the connection that was refused.
func (c *liveClient) advice() (time.Duration, error) {
	it, err := c.mc.Get(protocol.RetryKey(c.player.key))
	if err != nil {
		return 0, fmt.Errorf("lockcached:retry: %w", err)
	}
	n, err := strconv.Atoi(string(it.Value))
	if err != nil {
		return 0, fmt.Errorf("lockcached:retry: %q is no number of milliseconds", it.Value)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// look asks what the server knows about the lock, or about its class while the lock
// has not been released yet.
func (c *liveClient) look() (scene, error) {
	s, err := c.read(protocol.LockKey(c.player.key))
	if err != nil || s.mean > 0 {
		return s, err
	}
	class, err := c.read(protocol.ClassKey(stats.Class(c.player.key, ':')))
	s.mean, s.stddev = class.mean, class.stddev
	return s, err
}

func (c *liveClient) read(name string) (scene, error) {
	it, err := c.mc.Get(name)
	if err != nil {
		return scene{}, fmt.Errorf("%s: %w", name, err)
	}
	return parseScene(string(it.Value)), nil
}

// parseScene reads name=value pairs. A missing number is 0, but waiters is at least 1.
func parseScene(pairs string) scene {
	number := make(map[string]float64)
	for pair := range strings.FieldsSeq(pairs) {
		name, value, _ := strings.Cut(pair, "=")
		if x, err := strconv.ParseFloat(value, 64); err == nil {
			number[name] = x
		}
	}
	duration := func(name string) time.Duration {
		return time.Duration(number[name] * float64(time.Millisecond))
	}
	return scene{
		mean: duration("hold_mean_ms"), stddev: duration("hold_stddev_ms"),
		age: duration("age_ms"), waiters: max(1, int(number["waiters"])),
	}
}
