package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
)

// recoverLocks makes the Manager, and recovers the locks in the directory of --data.
func (s *service) recoverLocks() (*locks.Manager, error) {
	c := s.config
	c.locks.Logger = s.log
	if c.journal.Dir == "" || s.node != nil {
		return locks.NewManager(c.locks), nil
	}
	c.journal.Logger = s.log
	j, err := journal.Open(c.journal)
	if err != nil {
		return nil, fmt.Errorf("--data %s: %w", c.journal.Dir, err)
	}
	c.locks.Journal = j
	manager := locks.NewManager(c.locks)
	r, err := manager.Recover()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--data %s: %w", c.journal.Dir, err), j.Close())
	}
	s.journal, s.recovered = j, r
	s.log.Info().Int("locks", r.Locks).Int("records", r.Records).Int64("lost_bytes", r.Lost).Dur("took_ms", r.Took).Msg("locks recovered")
	return manager, nil
}

// run lets the Manager act on leases and waits that end. The function that it returns stops that,
// and closes the journal.
func (s *service) run(manager *locks.Manager) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { manager.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		if err := manager.CloseJournal(); err != nil {
			s.log.Error().Err(err).Msg("the journal was not closed properly")
		}
	}
}
