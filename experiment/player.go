package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A player plays one policy live: its clients want one lock of their own.
type player struct {
	trial
	table   *liveTable
	key     string
	clients []*liveClient
	began   time.Time

	mu sync.Mutex // guards what follows
	ledger
	holds *rand.Rand
}

// Before a table the server learns from some holds of other locks of the same
// class. If holds are long, there are fewer.
const (
	lessons    = 10
	lessonTime = 3 * time.Second
)

// betweenBursts gives the last client of a burst time to finish.
const betweenBursts = 100 * time.Millisecond

func newPlayer(t *liveTable, policy *Policy) *player {
	p := &player{
		trial: trial{policy: policy, law: t.law, load: t.load, seed: t.config.Seed},
		table: t,
		key:   fmt.Sprintf("experiment:%s:%s:%s:%s:lock", t.run, t.law.Name, t.load, policy.Name),
		holds: rand.New(rand.NewPCG(t.config.Seed, mix(t.law.Name+t.load.String()))),
	}
	for i := range t.load.Clients {
		p.clients = append(p.clients, newLiveClient(p, i))
	}
	return p
}

// prepare connects all clients, and lets the server learn how long holds take.
func (p *player) prepare(ctx context.Context) error {
	return p.all(ctx, func(ctx context.Context, c *liveClient) error {
		if err := c.connect(ctx); err != nil || p.policy.needs&(tells|advises) == 0 {
			return err
		}
		return c.teach(ctx)
	})
}

// play lets the clients want the lock for the duration of a table. A burst that is
// under way then goes on until ctx ends.
func (p *player) play(ctx context.Context) error {
	p.began = time.Now()
	c := p.table.config
	if p.load.Kind == closed {
		ctx, cancel := context.WithTimeout(ctx, c.Duration)
		defer cancel()
		p.measure(0)
		defer time.AfterFunc(c.Duration/warmShare, p.warm).Stop()
		err := p.all(ctx, p.loop)
		p.end()
		return err
	}
	for n := 0; p.now() < c.Duration && ctx.Err() == nil && (n < c.Rounds || c.Rounds == 0); n++ {
		p.measure(p.now())
		err := p.all(ctx, p.once)
		p.end()
		if err != nil {
			return err
		}
		sleep(ctx, betweenBursts)
	}
	return nil
}

// warm restarts the count, when the crowd of the start has dispersed.
func (p *player) warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restart(p.now())
}

func (p *player) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop(p.now())
}

// leave frees the lock and closes the connections, whatever state they are in.
func (p *player) leave() {
	p.clients[0].free()
	for _, c := range p.clients {
		c.close()
	}
}

// all calls do for all clients at once. It returns the first failure, which stops the
// others; the end of ctx is not a failure.
func (p *player) all(ctx context.Context, do func(context.Context, *liveClient) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, c := range p.clients {
		wg.Go(func() {
			err := c.interruptible(ctx, do)
			if err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("client %d: %w", c.number, err))
			}
		})
	}
	wg.Wait()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// loop is the life of a client in a closed loop.
func (p *player) loop(ctx context.Context, c *liveClient) error {
	for {
		if !sleep(ctx, time.Duration(c.rand.ExpFloat64()*float64(Think))) {
			return nil
		}
		if err := p.once(ctx, c); err != nil {
			return err
		}
	}
}

// once gets the lock, keeps it, and frees it.
func (p *player) once(ctx context.Context, c *liveClient) error {
	wanted := p.noteWant()
	tries, err := c.obtain(ctx)
	if err != nil {
		return err
	}
	start, hold := p.noteUse(c.number, wanted, tries)
	sleep(ctx, hold)
	p.noteEnd(start)
	return c.release()
}

// now is the time since the start of the table.
func (p *player) now() time.Duration { return time.Since(p.began) }

func (p *player) noteWant() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.wants(now)
	return now
}

func (p *player) noteTry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried()
}

// noteUse returns when the use began and how long it will last. Policies get the same
// hold times in the same order.
func (p *player) noteUse(client int, wanted time.Duration, tries int) (start, hold time.Duration) {
	start = p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uses(client, start, wanted, tries)
	return start, p.law.hold(p.holds)
}

func (p *player) noteEnd(start time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used(start, p.now())
}

// served returns how many times clients have got the lock.
func (p *player) served() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acquired)
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
