//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

const (
	members      = 3
	leaseSeconds = 60 // of a hold, and the longest that a claim waits
	readyWithin  = 30 * time.Second
)

// A system is what gives out locks: some processes, and a way to connect to each of them.
type system struct {
	name      string
	processes []*rig.Process
	connect   func(member int) (locker, error) // a client of the process with this number
}

// A locker is one client, which has one request under way at most.
type locker interface {
	lock(ctx context.Context, key string) error
	unlock(ctx context.Context, key string) error
	close()
}

// launches start the systems. They write to directories of their own below dir.
var launches = []struct {
	name   string
	launch func(ctx context.Context, dir string) (*system, error)
}{
	{"cluster", launchCluster},
	{"etcd", launchEtcd},
	{"single", launchSingle},
}

// startAll starts all systems.
func startAll(ctx context.Context, dir string) ([]*system, error) {
	var all []*system
	for _, l := range launches {
		own, err := os.MkdirTemp(dir, l.name+"-")
		if err != nil {
			return all, err
		}
		s, err := l.launch(ctx, own)
		if s != nil {
			s.name = l.name
			all = append(all, s)
		}
		if err == nil {
			err = s.awaitLocks(ctx)
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return all, nil
}

// awaitLocks waits until every member gives out locks.
func (s *system) awaitLocks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for i := range s.processes {
		for {
			err := s.tryLock(ctx, i)
			if err == nil {
				break
			}
			if rig.Sleep(ctx, 50*time.Millisecond) != nil {
				return fmt.Errorf("member %d gives out no locks: %w; it printed: %s", i, err, s.processes[i].Printed())
			}
		}
	}
	return nil
}

func (s *system) tryLock(ctx context.Context, member int) error {
	l, err := s.connect(member)
	if err != nil {
		return err
	}
	defer l.close()
	key := fmt.Sprintf("ready:%d", member)
	if err := l.lock(ctx, key); err != nil {
		return err
	}
	return l.unlock(ctx, key)
}

// stop ends the processes. They are not asked, because the last ones would wait for a
// majority.
func (s *system) stop() {
	for _, p := range s.processes {
		p.Kill()
	}
}

// cpu is the processor time that the processes have used.
func (s *system) cpu() (sum time.Duration, err error) {
	for _, p := range s.processes {
		d, err := p.CPU()
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// printed is what the processes wrote last, for the report of a failure.
func (s *system) printed() string {
	var all []string
	for i, p := range s.processes {
		all = append(all, fmt.Sprintf("member %d printed: %s", i, p.Printed()))
	}
	return strings.Join(all, "; ")
}
