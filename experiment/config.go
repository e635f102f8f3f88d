package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Config says what to run. Run fills in what is left out.
type Config struct {
	Simulate bool
	Seed     uint64
	Laws     []Law
	Loads    []Load
	Policies []*Policy

	// How long to go on.
	Acquisitions int           // simulated: per line of the report
	Rounds       int           // of a burst; 0 for as many as Acquisitions or Duration allow
	Duration     time.Duration // live: of the whole run for each law and load
	Quick        bool          // less of everything, for a first look

	// What goes wrong, simulated only.
	Dying float64 // the share of holders that die instead of releasing the lock, below 1
	Cold  bool    // the server knows nothing when a burst begins

	Server string // live: an address; "" starts a server of its own
	Out    string // folder for results and pictures; "" for none

	dial dialer // how clients connect
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// What runs by default.
const (
	simulatedAcquisitions = 20_000
	quickAcquisitions     = 2_000
	liveDuration          = 30 * time.Second
	quickDuration         = 5 * time.Second
	DefaultClients        = 10
)

var (
	simulatedLoads = []string{"b2", "b10", "b100", "b1000", "p0.5", "p0.9", "c2", "c10", "c100", "c1000"}
	quickLoads     = []string{"b10", "p0.5", "c10"}
)

// setDefaults fills in what was left out.
func (c *Config) setDefaults() {
	if c.dial == nil {
		c.dial = (&net.Dialer{Timeout: answerWithin}).DialContext
	}
	if len(c.Policies) == 0 {
		c.Policies = Policies
	}
	if len(c.Laws) == 0 {
		c.Laws = defaultLaws(c.Simulate)
	}
	if len(c.Loads) == 0 {
		c.Loads = c.defaultLoads()
	}
	if c.Acquisitions == 0 {
		c.Acquisitions = simulatedAcquisitions
		if c.Quick {
			c.Acquisitions = quickAcquisitions
		}
	}
	if c.Duration == 0 {
		c.Duration = liveDuration
		if c.Quick {
			c.Duration = quickDuration
		}
	}
}

// defaultLaws returns all laws if they cost only processor time, and else the first.
func defaultLaws(simulate bool) []Law {
	names := LawNames
	if !simulate {
		names = LawNames[:1]
	}
	var laws []Law
	for _, name := range names {
		law, err := NewLaw(name, DefaultMean, DefaultStddev)
		if err != nil {
			panic(err) // LawNames has a name that NewLaw does not know
		}
		laws = append(laws, law)
	}
	return laws
}

func (c *Config) defaultLoads() []Load {
	switch {
	case !c.Simulate:
		return []Load{{Kind: burst, Clients: DefaultClients}}
	case c.Quick:
		return mustLoads(quickLoads)
	}
	return mustLoads(simulatedLoads)
}

func mustLoads(names []string) []Load {
	var loads []Load
	for _, name := range names {
		load, err := ParseLoad(name)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		loads = append(loads, load)
	}
	return loads
}
