//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clientmetrics"
	"github.com/lockcached/lockcached/internal/bench/rig"
)

// workerVariable makes a process of this program a worker; its value is the worker as JSON.
const workerVariable = "CONTENTION_WORKER"

// lockKey is the lock that all want.
const lockKey = "lock:contention"

// A worker wants the lock again and again. It says "ready" when it is connected, reads
// when to begin to count (Unix time in nanoseconds), and prints what it counted.
type worker struct {
	Server   string
	Strategy string
	Hold     time.Duration
	Pause    time.Duration // between a release and wanting it again, on average
	Duration time.Duration // for which it counts
}

// tally is what a worker counted.
type tally struct {
	Waits   []time.Duration // until each grant
	Tries   float64         // claims that were sent
	Held    time.Duration   // from each grant until the release was sent
	Pending time.Duration   // for how long it had been waiting at the end
}

func parseWorker(text string) (w worker, err error) {
	err = json.Unmarshal([]byte(text), &w)
	return w, err
}

func runWorker(ctx context.Context, w worker) error {
	strategy, err := client.ParseStrategy(w.Strategy)
	if err != nil {
		return err
	}
	metrics := clientmetrics.New()
	c, err := client.New(client.Config{Servers: []string{w.Server}, Strategy: strategy, Observers: []client.Observer{metrics}})
	if err != nil {
		return err
	}
	defer c.Close()
	err = connect(ctx, c)
	switch {
	case ctx.Err() != nil:
		return nil // interrupted, as is the process that started us, which says so
	case err != nil:
		return err
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	var begin int64
	if _, err := fmt.Fscan(in, &begin); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, time.Unix(0, begin).Add(w.Duration))
	defer cancel()
	go func() { // the process that started us has ended
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	t, err := w.count(ctx, c, metrics, time.Unix(0, begin))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}

// connect takes a lock that nobody else wants, so that the first try does not have to
// connect.
func connect(ctx context.Context, c *client.Client) error {
	l, err := c.Lock(ctx, fmt.Sprintf("%s:%d", lockKey, os.Getpid()))
	if err != nil {
		return err
	}
	return l.Unlock()
}

// count wants the lock until ctx ends, and counts the grants from the time of begin on,
// with all that was tried for them.
func (w *worker) count(ctx context.Context, c *client.Client, metrics *clientmetrics.Metrics, begin time.Time) (t tally, err error) {
	before, err := triesOf(metrics) // tries that do not count
	for err == nil && ctx.Err() == nil {
		wanted := time.Now()
		l, err := c.Lock(ctx, lockKey)
		if err != nil && ctx.Err() != nil {
			t.Pending = time.Since(wanted)
			break
		}
		if err != nil {
			return t, err
		}
		granted := time.Now()
		time.Sleep(w.Hold)
		held := time.Since(granted)
		if err := l.Unlock(); err != nil {
			return t, err
		}
		tries, err := triesOf(metrics)
		if err != nil {
			return t, err
		}
		if granted.After(begin) {
			t.Waits = append(t.Waits, granted.Sub(wanted))
			t.Held += held
			t.Tries = tries - before
		} else {
			before = tries
		}
		_ = rig.Sleep(ctx, rand.N(2*w.Pause+1))
	}
	return t, err
}

// triesOf is how many claims the client has sent: those that were granted, and the
// others.
func triesOf(metrics *clientmetrics.Metrics) (tries float64, err error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		return 0, err
	}
	families, err := registry.Gather()
	for _, family := range families {
		switch family.GetName() {
		case "lockcached_client_lock_acquisitions_total", "lockcached_client_lock_refusals_total":
			for _, m := range family.GetMetric() {
				tries += m.GetCounter().GetValue()
			}
		}
	}
	return tries, err
}
