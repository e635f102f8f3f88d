//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

var fenceScenario = &scenario{
	name:  "fence",
	share: 2,
	promise: "Processes lock, renew and write to a resource that refuses smaller tokens than it has seen. They are paused " +
		"beyond their lease and killed, and so is the server. Nobody is granted a lock during the lease of another, the " +
		"tokens rise, and what a paused holder writes when it wakes is refused.",
	round: fenceRound,
}

const (
	fenceWorkers = 12
	fenceKeys    = 4
	fenceLease   = time.Second // the shortest there is
)

func fenceRound(ctx context.Context, t *trial) (o outcome, err error) {
	s, err := t.program.start(ctx, "--data", filepath.Join(t.dir, "data"), "--fsync", "interval")
	if err != nil {
		return o, err
	}
	defer func() { s.Stop() }() // by then it may be another process
	r := newResource()
	door, err := net.Listen("unix", filepath.Join(t.dir, "resource"))
	if err != nil {
		return o, err
	}
	defer door.Close()
	go r.serve(door)

	crew := &fenceCrew{args: []string{s.addr, door.Addr().String()}, resource: r, rng: t.split()}
	defer crew.stop()
	for range fenceWorkers {
		if err := crew.hire(); err != nil {
			return o, err
		}
	}
	killed, err := crew.disturb(ctx, s, pick(t, 1500*time.Millisecond, 8*time.Second, 30*time.Second))
	if err != nil {
		return o, err
	}
	crew.stop()
	r.report(&o)
	o.count("workers paused", crew.paused)
	o.count("workers killed", crew.killed)
	o.count("kill -9 of the server", killed)
	return o, nil
}

// A fenceCrew is the workers of a round.
type fenceCrew struct {
	args     []string // where the server and the resource are
	within   []string // the command that runs workers elsewhere; none here
	resource *resource
	rng      *rand.Rand
	workers  []hand
	hired    int // ever
	paused   int
	killed   int
	waking   sync.WaitGroup
	door     net.Listener // of the resource, closed at the end; nil if somebody else closes it
}

// A hand is a worker as a process.
type hand struct {
	*rig.Process
	number int
}

// hire starts one more worker.
func (c *fenceCrew) hire() error {
	p, err := startRole(c.within, workerRole, append(c.args, strconv.Itoa(c.hired))...)
	if err != nil {
		return err
	}
	c.workers = append(c.workers, hand{p, c.hired})
	c.hired++
	return nil
}

// choose returns the index of a worker to disturb: the one that is writing just now, or
// any.
func (c *fenceCrew) choose() int {
	if writer := c.resource.writer(); chance(c.rng, 2) {
		if i := slices.IndexFunc(c.workers, func(h hand) bool { return h.number == writer }); i >= 0 {
			return i
		}
	}
	return c.rng.IntN(len(c.workers))
}

// disturb pauses and kills workers, and the server twice, until the time is over.
// It returns how often the server was killed.
func (c *fenceCrew) disturb(ctx context.Context, s *server, length time.Duration) (killed int, err error) {
	began := time.Now()
	for time.Since(began) < length {
		if err := rig.Sleep(ctx, within(c.rng, 500*time.Millisecond)); err != nil {
			return killed, err
		}
		i := c.choose()
		if chance(c.rng, 4) {
			c.killed++
			c.workers[i].Kill()
			c.workers[i].Stop()
			c.workers = slices.Delete(c.workers, i, i+1)
			err = c.hire()
		} else {
			err = c.pause(c.workers[i])
		}
		if err == nil && time.Since(began) > length*time.Duration(killed+1)/3 && killed < 2 {
			killed++
			s.crash()
			err = s.again(ctx)
		}
		if err != nil {
			return killed, err
		}
	}
	return killed, nil
}

// pause stops a worker for longer than a lease, and lets it go on while others
// are at work. It may have been killed by then.
func (c *fenceCrew) pause(p hand) error {
	c.paused++
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("a worker: %w; it printed: %s", err, p.Printed())
	}
	c.waking.Add(1)
	time.AfterFunc(fenceLease/2+within(c.rng, 3*fenceLease/2), func() {
		defer c.waking.Done()
		_ = p.Signal(syscall.SIGCONT)
	})
	return nil
}

// stop ends all workers, once those that are paused go on.
func (c *fenceCrew) stop() {
	c.waking.Wait()
	for _, p := range c.workers {
		p.Kill()
		p.Stop()
	}
	c.workers = nil
	if c.door != nil {
		c.door.Close()
	}
}

// serve answers workers: a line for each line.
func (r *resource) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // the round is over
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintln(conn, r.answer(lines.Text())); err != nil {
					return
				}
			}
		}()
	}
}

// The words between worker and resource.
const (
	good  = "good"
	stale = "stale"
)

func (r *resource) answer(line string) string {
	var (
		verb, key   string
		token       uint64
		who         int
		from, until time.Duration
	)
	// A sender leaves out what its verb does not need.
	_, _ = fmt.Sscan(line, &verb, &key, &token, &from, &until, &who)
	ok := true
	switch verb {
	case "enter":
		ok = r.enter(key, token, who, from, until, sharedNow())
	case "write":
		ok = r.write(key, token)
	case "leave":
		r.leave(key, token, from)
	}
	if !ok {
		return stale
	}
	return good
}
