package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A Load says which clients want the lock, and when.
type Load struct {
	Kind    loadKind
	Clients int     // of a burst or a closed loop
	Rate    float64 // of Poisson arrivals: the share of the time they would use the lock
}

type loadKind byte

const (
	burst   loadKind = 'b' // all come at once, and want the lock once
	poisson loadKind = 'p' // new clients keep coming by chance, and want the lock once
	closed  loadKind = 'c' // each wants the lock again, after thinking
)

// Think is the mean time for which a client of a closed loop does not want the lock.
const Think = 200 * time.Millisecond

var errLoad = errors.New("a load is b10 (burst of 10), p0.5 (Poisson arrivals, utilisation 0.5) or c10 (closed loop of 10)")

const maxClients = 100_000

// ParseLoad reads b10, p0.5 or c10.
func ParseLoad(s string) (Load, error) {
	if s == "" {
		return Load{}, errLoad
	}
	switch kind := loadKind(s[0]); kind {
	case burst, closed:
		n, err := strconv.Atoi(s[1:])
		if err != nil || n < 2 || n > maxClients {
			return Load{}, errLoad
		}
		return Load{Kind: kind, Clients: n}, nil
	case poisson:
		rate, err := strconv.ParseFloat(s[1:], 64)
		if err != nil || !(rate > 0 && rate < 1) {
			return Load{}, errLoad
		}
		return Load{Kind: kind, Rate: rate}, nil
	}
	return Load{}, errLoad
}

func (l Load) String() string {
	if l.Kind == poisson {
		return "p" + strconv.FormatFloat(l.Rate, 'g', -1, 64)
	}
	return string(l.Kind) + strconv.Itoa(l.Clients)
}

// Live reports whether clients can play the load on a real server.
func (l Load) Live() bool { return l.Kind != poisson }

// Title returns the load in words, for tables and pictures.
func (l Load) Title() string {
	switch l.Kind {
	case burst:
		return fmt.Sprintf("%d clients come at once", l.Clients)
	case poisson:
		return fmt.Sprintf("clients come by chance, utilisation %g", l.Rate)
	}
	return fmt.Sprintf("%d clients, each again and again", l.Clients)
}

// until draws the time to the next arrival, if a client occupies the lock for mean on average.
func (l Load) until(mean time.Duration, r *rand.Rand) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean) / l.Rate)
}
