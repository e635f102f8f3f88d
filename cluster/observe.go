package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/slots"
)

const (
	observeEvery = time.Second            // how old what is told of the engine may be
	rosterEvery  = 5 * time.Second        // the same of nodes that are not there, unless members change
	quorumEvery  = 500 * time.Millisecond // how late it is noticed that there is no quorum
)

// sight is what was seen of the engine last.
type sight struct {
	engine engine.Status
	known  []slots.Known
}

// observer looks at the engine now and then, and logs what changes. What it has seen is for people
// and metrics; nothing relies on it.
type observer struct {
	node *Node
	log  zerolog.Logger

	mu   sync.Mutex // guards seen
	seen sight

	changed    <-chan struct{} // closed when the roster may have changed since
	rosterRead time.Time       // it was read

	alarms  string          // that were logged
	members map[string]bool // names that were logged as being there
	lost    time.Time       // since when there is no quorum; zero if there is one
}

func (o *observer) sight() sight {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

func (o *observer) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { o.watchEngine(ctx) })
	all.Go(func() { o.watchQuorum(ctx) })
	all.Wait()
}

func (o *observer) watchEngine(ctx context.Context) {
	ticks := time.NewTicker(observeEvery)
	defer ticks.Stop()
	for {
		o.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// look asks the engine. What it does not answer in time stays as it was.
func (o *observer) look(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, observeEvery)
	defer stop()
	c := &o.node.config
	now := o.sight()
	if c.Status != nil {
		if status, err := c.Status(ctx); err == nil {
			now.engine = status
		} else {
			now.engine.Leader = 0
		}
	}
	if o.node.Quorum() && o.rosterIsOld() {
		if known, err := slots.Roster(ctx, c.Engine, c.Prefix); err == nil {
			now.known = known
		}
	}
	o.mu.Lock()
	o.seen = now
	o.mu.Unlock()
	o.logAlarms(now.engine.Alarms)
}

// rosterIsOld reports whether it is time to read the roster again, which costs a majority's answer.
func (o *observer) rosterIsOld() bool {
	select {
	case <-o.changed:
	default:
		if time.Since(o.rosterRead) < rosterEvery {
			return false
		}
	}
	o.changed, o.rosterRead = o.node.slots.Changed(), time.Now()
	return true
}

func (o *observer) logAlarms(alarms []string) {
	now := strings.Join(alarms, ",")
	switch {
	case now == o.alarms:
		return
	case now == "":
		o.log.Info().Str("alarms", o.alarms).Msg("the engine's alarm is over")
	default:
		o.log.Error().Str("alarms", now).Msg("the engine raises an alarm")
	}
	o.alarms = now
}

func (o *observer) watchQuorum(ctx context.Context) {
	ticks := time.NewTicker(quorumEvery)
	defer ticks.Stop()
	began := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		err := o.node.journal.Err()
		began = began || err == nil
		if began && !o.node.leaving.Load() {
			o.logQuorum(err)
		}
	}
}

func (o *observer) logQuorum(err error) {
	switch {
	case err != nil && o.lost.IsZero():
		o.lost = time.Now()
		o.log.Error().Err(err).Msg("quorum lost: no request about a lock is answered")
	case err == nil && !o.lost.IsZero():
		o.log.Info().Dur("after_ms", time.Since(o.lost)).Msg("quorum back")
		o.lost = time.Time{}
	}
}

// logMembers logs which other nodes have come and gone. Only keepPeers calls it.
func (o *observer) logMembers(members []slots.Member) {
	now := make(map[string]bool)
	for _, m := range members {
		if m.Name == o.node.config.Name {
			continue
		}
		now[m.Name] = true
		if !o.members[m.Name] {
			o.log.Info().Str("node", m.Name).Str("version", m.Version).Msg("node joined")
		}
	}
	for name := range o.members {
		if !now[name] {
			o.log.Warn().Str("node", name).Msg("node left")
		}
	}
	o.members = now
}

// Health returns nil, or why this node cannot serve locks, or soon could not.
func (n *Node) Health() error {
	if err := n.journal.Err(); err != nil {
		return err
	}
	if alarms := n.observer.sight().engine.Alarms; len(alarms) > 0 {
		return errors.New("the engine raises an alarm: " + strings.Join(alarms, ", "))
	}
	return nil
}

// expected is a node that belongs to the cluster, whether it is there or not.
type expected struct {
	name   string
	member *slots.Member  // nil if it is not there
	voter  *engine.Member // nil if it keeps no data
}

// nodes returns all nodes that belong to the cluster, by name: those that are there, those that were
// there and have not been removed, and those that this node was told of. A machine of the engine
// that has never run has its address for a name.
func (n *Node) nodes() (all []*expected, seen sight) {
	seen = n.observer.sight()
	byName := make(map[string]*expected)
	of := func(name string) *expected {
		if byName[name] == nil {
			byName[name] = &expected{name: name}
			all = append(all, byName[name])
		}
		return byName[name]
	}
	removed := make(map[string]bool)
	for _, k := range seen.known {
		if removed[k.Name] = k.Removed; !k.Removed {
			of(k.Name)
		}
	}
	for _, m := range n.slots.Members() {
		of(m.Name).member = &m
	}
	if seen.engine.Local || n.config.Embedded {
		for _, m := range seen.engine.Members {
			name := m.Name
			if name == "" {
				name = m.Address
			}
			of(name).voter = &m
		}
	}
	for _, name := range n.config.Nodes {
		if !removed[name] {
			of(name)
		}
	}
	slices.SortFunc(all, func(a, b *expected) int { return strings.Compare(a.name, b.name) })
	return all, seen
}
