//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	cyclesPerSecond = 2000 // of all well-behaved clients together
	mostFaults      = 10   // that are reported one by one
)

// polite is the well-behaved clients of a soak.
type polite struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	latencies []float64  // ms
	failed    int
	faults    []string
}

// welcome connects that many clients and lets them begin.
func (p *polite) welcome(t *trial, addr string, clients int) error {
	pause := time.Duration(clients) * time.Second / cyclesPerSecond
	for i := range clients {
		conn, err := dial(addr)
		if err != nil {
			return fmt.Errorf("well-behaved client %d: %w", i, err)
		}
		rng := t.split()
		p.wg.Go(func() { p.behave(conn, i, rng, pause) })
	}
	return nil
}

// leave ends all clients.
func (p *polite) leave() {
	close(p.stop)
	p.wg.Wait()
}

// behave locks and releases at leisure.
func (p *polite) behave(conn *client, number int, rng *rand.Rand, pause time.Duration) {
	defer conn.reset()
	key := fmt.Sprint("soak:", number)
	for p.pause(time.Duration(rng.ExpFloat64() * float64(pause))) {
		for _, step := range []struct{ request, want string }{
			{add(key, time.Minute, "me"), "STORED"},
			{"delete " + key + "\r\n", "DELETED"},
		} {
			began := time.Now()
			r, err := conn.ask(step.request, answerWithin)
			if err == nil && r.word() != step.want {
				err = fmt.Errorf("%q was answered %q", step.request, r.words)
			}
			if err != nil {
				p.fail(err)
				return
			}
			p.took(time.Since(began))
		}
	}
}

// pause waits, and reports false when the round is over.
func (p *polite) pause(d time.Duration) bool {
	select {
	case <-p.stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (p *polite) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latencies = append(p.latencies, d.Seconds()*1000)
}

func (p *polite) takeLatencies() []float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.latencies
	p.latencies = nil
	return taken
}

func (p *polite) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed++
	if len(p.faults) < mostFaults {
		p.faults = append(p.faults, err.Error())
	}
}
