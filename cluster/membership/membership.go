// Package membership changes of which nodes a cluster consists. It works from outside, over the
// engine, so that no node has to take orders from clients.
package membership

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/slots"
)

// Engine is an engine whose members can be changed.
type Engine interface {
	engine.Engine
	Members(ctx context.Context) ([]engine.Member, error)
	AddMember(ctx context.Context, address string) (engine.Member, error)
	RemoveMember(ctx context.Context, id uint64) error
	// Answers reports whether the member at an address answers now.
	Answers(ctx context.Context, address string) bool
}

// Cluster is a cluster as its operator sees it.
type Cluster struct {
	Engine Engine
	Prefix string // of all keys in the engine
	// Nodes says that the engine's members are nodes, by the same names.
	Nodes bool
}

// What Add can find.
var (
	// ErrNoPlace says that a node needs no place: others keep the data.
	ErrNoPlace = errors.New("needs no place in the engine, which others keep")
	// ErrThere says that there is such a member already.
	ErrThere = errors.New("there is such a node already")
)

const (
	askTimeout = 2 * time.Second        // for one question
	pause      = 200 * time.Millisecond // between two tries
)

// Add makes a place for a node. It keeps data from when it has been started and has caught up; until
// then it counts towards no majority. Add tries until ctx ends: the engine refuses while members have
// only just been connected.
func (c *Cluster) Add(ctx context.Context, node engine.Peer) error {
	members, err := c.members(ctx)
	if err != nil {
		return err
	}
	for _, m := range members {
		switch {
		case m.Address == node.Address && m.Name == "":
			return nil // it was added, and has not been started
		case m.Address == node.Address:
			return fmt.Errorf("%w: %s, at %s", ErrThere, m.Name, m.Address)
		case m.Name == node.Name:
			return fmt.Errorf("%w, at %s: remove it first", ErrThere, m.Address)
		case m.Learner: // the engine takes one at a time
			return fmt.Errorf("%s was added and does not keep data yet: start it, or remove it, before you add another one", cmp.Or(m.Name, m.Address))
		}
	}
	if !c.Nodes || len(members) >= engine.MaxVoters {
		return ErrNoPlace
	}
	return persist(ctx, func(ctx context.Context) error {
		_, err := c.Engine.AddMember(ctx, node.Address)
		if err == nil {
			return nil
		}
		// It may have been added although the answer was lost.
		members, _ := c.members(ctx)
		if slices.ContainsFunc(members, func(m engine.Member) bool { return m.Address == node.Address }) {
			return nil
		}
		return err
	})
}

// persist repeats what fails until it succeeds, or ctx ends. Then the error is that of the last try.
func persist(ctx context.Context, try func(ctx context.Context) error) error {
	for {
		short, stop := context.WithTimeout(ctx, askTimeout)
		err := try(short)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// ErrNoMajority says that the engine does not answer.
var ErrNoMajority = errors.New("no majority of the engine answers")

func (c *Cluster) members(ctx context.Context) (members []engine.Member, err error) {
	ctx, stop := context.WithTimeout(ctx, 2*askTimeout)
	defer stop()
	if members, err = c.Engine.Members(ctx); err != nil {
		err = fmt.Errorf("%w: %w", ErrNoMajority, err)
	}
	return members, err
}

// What Remove can find.
var (
	ErrUnknown    = errors.New("there is no such node")
	ErrLast       = errors.New("no other node is there that could serve its slots")
	ErrKeepQuorum = errors.New("the others would have no majority")
)

// Removed is what Remove has done.
type Removed struct {
	HandedOver bool // the node was there, and others serve its slots now
	Ends       bool // its process ends by itself
	Voters     int  // members of the engine that are left
}

// Remove removes a node, by its name, or by its address if it has never run. If it is there it hands
// its slots over first. Remove refuses what would leave the others without a majority.
func (c *Cluster) Remove(ctx context.Context, name string) (done Removed, err error) {
	f, err := c.find(ctx, name)
	if err != nil {
		return done, err
	}
	if f.voter >= 0 && !f.members[f.voter].Learner {
		if err := c.keepsQuorum(ctx, f.members, f.voter); err != nil {
			return done, err
		}
	}
	if f.there >= 0 {
		if err := c.handOver(ctx, f.census, f.there); err != nil {
			return done, err
		}
		done.HandedOver = true
	}
	if c.Nodes {
		done.Voters = len(f.members)
	}
	if f.voter >= 0 {
		if err := c.removeMember(ctx, f.members[f.voter].ID); err != nil {
			return done, err
		}
		done.Ends = f.there >= 0
		done.Voters--
	}
	return done, slots.Strike(ctx, c.Engine, c.Prefix, name)
}

// found is a node, and what is around it.
type found struct {
	members []engine.Member
	voter   int // which of members the node is, -1 if it keeps no data
	census  slots.Census
	there   int // which of the census's members it is, -1 if it is not there
}

func (c *Cluster) find(ctx context.Context, name string) (f found, err error) {
	if f.members, err = c.members(ctx); err != nil {
		return f, err
	}
	if f.census, err = slots.TakeCensus(ctx, c.Engine, c.Prefix); err != nil {
		return f, err
	}
	known, err := slots.Roster(ctx, c.Engine, c.Prefix)
	if err != nil {
		return f, err
	}
	f.voter = -1
	if c.Nodes {
		f.voter = slices.IndexFunc(f.members, func(m engine.Member) bool { return m.Name == name || m.Name == "" && m.Address == name })
	}
	f.there = slices.IndexFunc(f.census.Members, func(m slots.Member) bool { return m.Name == name })
	isKnown := slices.ContainsFunc(known, func(k slots.Known) bool { return k.Name == name && !k.Removed })
	if f.voter < 0 && f.there < 0 && !isKnown {
		return f, ErrUnknown
	}
	return f, nil
}

// keepsQuorum returns an error if the members beside one are not a majority of themselves.
func (c *Cluster) keepsQuorum(ctx context.Context, members []engine.Member, without int) error {
	ctx, stop := context.WithTimeout(ctx, askTimeout)
	defer stop()
	var mu sync.Mutex
	var all sync.WaitGroup
	voters, answering := 0, 0
	for i, m := range members {
		if i == without || m.Learner {
			continue
		}
		voters++
		all.Go(func() {
			if c.Engine.Answers(ctx, m.Address) {
				mu.Lock()
				defer mu.Unlock()
				answering++
			}
		})
	}
	all.Wait()
	if voters == 0 {
		return ErrLast
	}
	if needed := voters/2 + 1; answering < needed {
		return fmt.Errorf("%w: of %d that remain %d answer, and a majority is %d", ErrKeepQuorum, voters, answering, needed)
	}
	return nil
}

// handOver tells a node to hand its slots over, and waits until it has done so or is gone.
func (c *Cluster) handOver(ctx context.Context, census slots.Census, there int) error {
	m := census.Members[there]
	others := func(o slots.Member) bool { return o.Name != m.Name && !o.Leaving }
	if !slices.ContainsFunc(census.Members, others) {
		return ErrLast
	}
	if err := slots.Dismiss(ctx, c.Engine, c.Prefix, m); err != nil {
		return err
	}
	for {
		census, err := slots.TakeCensus(ctx, c.Engine, c.Prefix)
		if err == nil && census.Slots[m.Incarnation] == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d slots were not handed over in time, so that it was not removed: %w", census.Slots[m.Incarnation], ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (c *Cluster) removeMember(ctx context.Context, id uint64) error {
	return persist(ctx, func(ctx context.Context) error {
		err := c.Engine.RemoveMember(ctx, id)
		if err == nil {
			return nil
		}
		// It may have been removed although the answer was lost.
		members, failed := c.members(ctx)
		if failed == nil && !slices.ContainsFunc(members, func(m engine.Member) bool { return m.ID == id }) {
			return nil
		}
		return err
	})
}
