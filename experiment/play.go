package main

import (
	"context"
	"time"

	books "github.com/lockcached/lockcached/stats/ledger"
)

// How a simulation is bounded.
const (
	warmHolds   = 500 // holds that the server has seen before a burst
	warmShare   = 10  // a tenth of the other loads is not measured
	givenUp     = 400 // a burst ends after so many times what it takes at best
	burstsApart = time.Minute
)

// simulate plays a trial until about so many acquisitions are measured.
func simulate(ctx context.Context, t trial, acquisitions int) (*ledger, error) {
	s := newSimulation(t)
	if !t.cold {
		s.warmUp()
	}
	var err error
	switch t.load.Kind {
	case burst:
		err = s.playBursts(ctx, max(1, acquisitions/t.load.Clients))
	case poisson:
		err = s.playArrivals(ctx, acquisitions)
	case closed:
		err = s.playLoop(ctx, acquisitions)
	}
	return &s.ledger, err
}

// warmUp shows the server some holds.
func (s *simulation) warmUp() {
	for range warmHolds {
		took := s.law.hold(s.comings) + roundTrip
		if s.dies(s.deaths) {
			s.lock.server.show(books.Expired, s.leaseEnd(0, took))
		} else {
			s.lock.server.show(books.Released, took)
		}
	}
}

// playBursts plays burst after burst: all clients come at once, and each gets the lock
// once or gives up. Between bursts the server keeps what it has learned, unless the
// trial is cold.
func (s *simulation) playBursts(ctx context.Context, rounds int) error {
	for range rounds {
		s.heap = s.heap[:0]
		s.lock.clear()
		if s.cold {
			s.lock.server.init(s.trial)
		}
		s.clients = make([]simClient, s.load.Clients)
		s.ledger.wanting, s.ledger.using = 0, false
		s.measure(s.now)
		for i := range s.clients {
			s.in(0, arrival, i)
		}
		end := s.now + time.Duration(s.load.Clients)*givenUp*s.occupied(&s.law)
		err := s.play(ctx, func() bool { return s.heap[0].at > end })
		if s.wanting > 0 {
			s.now = end
		}
		s.stop(s.now)
		if err != nil {
			return err
		}
		s.now += burstsApart
	}
	return nil
}

// playArrivals lets new clients come by chance, each once. It ends with the last
// arrival: if a policy does not keep up, clients are left.
func (s *simulation) playArrivals(ctx context.Context, acquisitions int) error {
	warm := acquisitions / warmShare
	s.clients = make([]simClient, 1, warm+acquisitions)
	s.in(0, arrival, 0)
	for coming := range warm + acquisitions - 1 {
		if coming == warm {
			s.measure(s.now)
		}
		due := s.now + s.load.until(s.occupied(&s.law), s.comings)
		if err := s.play(ctx, func() bool { return s.heap[0].at > due }); err != nil {
			return err
		}
		s.now = due
		s.clients = append(s.clients, simClient{})
		s.in(0, arrival, len(s.clients)-1)
	}
	s.stop(s.now)
	return nil
}

// playLoop lets the clients take the lock and think in turn.
func (s *simulation) playLoop(ctx context.Context, acquisitions int) error {
	s.clients = make([]simClient, s.load.Clients)
	for i := range s.clients {
		s.in(s.think(), arrival, i)
	}
	s.measuring = true
	warm := acquisitions / warmShare
	if err := s.play(ctx, func() bool { return len(s.acquired) >= warm }); err != nil {
		return err
	}
	s.ledger.restart(s.now)
	err := s.play(ctx, func() bool { return len(s.acquired) >= acquisitions })
	s.stop(s.now)
	return err
}
