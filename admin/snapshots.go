package admin

import (
	"context"
	"sync"
	"time"
)

const (
	freshFor     = 500 * time.Millisecond // pages that ask within this time share an answer
	smallShare   = 200                    // one part in so many of a processor's time may go into one kind of answer,
	patience     = 5 * time.Second        // but pages wait no longer than this for news,
	share        = 20                     // unless that took more than this part
	maxSnapshots = 16                     // kinds of answers that are kept
	maxAtWork    = 2                      // answers that are put together at a time
)

// snapshots are answers that several pages share, so that the cost of looking does not grow with those
// who look. Putting one together takes longer the more locks there are; it is done again only after
// some time, so that even a million locks take no more than a share of one processor.
type snapshots struct {
	work chan struct{} // full while maxAtWork answers are put together

	mu  sync.Mutex // guards what follows
	all map[string]*snapshot
}

type snapshot struct {
	asked time.Time // guarded by snapshots.mu

	mu   sync.Mutex // guards what follows; held while the answer is put together
	made time.Time
	took time.Duration
	body []byte
	err  error
}

func newSnapshots() *snapshots {
	return &snapshots{work: make(chan struct{}, maxAtWork), all: make(map[string]*snapshot)}
}

// get returns the answer of that name; put puts it together.
func (s *snapshots) get(ctx context.Context, name string, put func() ([]byte, error)) ([]byte, error) {
	x := s.of(name)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.made.IsZero() && time.Since(x.made) < x.freshFor() {
		return x.body, x.err
	}
	select {
	case s.work <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.work }()
	began := time.Now()
	x.body, x.err = put()
	x.made = time.Now()
	x.took = x.made.Sub(began)
	return x.body, x.err
}

// freshFor is for how long the answer counts as the present.
func (x *snapshot) freshFor() time.Duration {
	return max(freshFor, share*x.took, min(smallShare*x.took, patience))
}

// of returns the snapshot of that name. If there are too many, the one that was asked for longest ago
// makes room.
func (s *snapshots) of(name string) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[name]
	if x == nil {
		if len(s.all) >= maxSnapshots {
			s.forgetOldest()
		}
		x = new(snapshot)
		s.all[name] = x
	}
	x.asked = time.Now()
	return x
}

func (s *snapshots) forgetOldest() {
	oldest := ""
	for name, x := range s.all {
		if oldest == "" || x.asked.Before(s.all[oldest].asked) {
			oldest = name
		}
	}
	delete(s.all, oldest)
}
