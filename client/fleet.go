package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
	"github.com/lockcached/lockcached/protocol"
)

// A fleet is the nodes of a cluster, of which each serves every key: those that others own
// are passed on. A request goes to the owner of its key, if that is known and well, and
// otherwise to any node that is. A node that gives no answer, or answers SERVER_ERROR, is
// passed over; those that are away are probed in the background, so that no request has to.
type fleet struct {
	client *Client
	whole  *peer   // stands for all nodes together: in errors, and for what belongs to none of them
	seeds  []*peer // that Config.Cluster names, in an order of our own

	mu       sync.Mutex // guards what follows
	cluster  string     // its id, "" until a node has told it
	members  []*peer    // as a node has told, less those that are seeds
	told     time.Time  // when, or when we last asked
	patience time.Duration
	suspect  time.Duration
	owners   *simplelru.LRU[string, owner]
}

// An owner is the node that serves a key, as we have been told.
type owner struct {
	peer  *peer // nil if there was none
	until time.Time
}

const (
	// ownerFor is how long an owner is remembered. A node that it has handed the key over to
	// since is reached all the same, by way of the former owner.
	ownerFor = time.Minute
	// noOwnerFor is how long it is remembered that there was no owner.
	noOwnerFor = time.Second
	// shunFor is how long a node is passed over that gave no answer, or SERVER_ERROR, while
	// others have done neither.
	shunFor = 10 * time.Second
	// rosterFor is how long the nodes are remembered by a Client that makes requests, if it makes
	// no connection meanwhile, before it asks again.
	rosterFor = 10 * time.Second
	// probePause is the shortest pause between two looks whether a node is still away.
	probePause = 20 * time.Millisecond
)

// ownerPrefix is in front of a key to ask which node serves it.
var ownerPrefix = protocol.OwnerKey("")

// newFleet returns the fleet of those addresses. They are shuffled, so that the clients of a
// cluster do not all begin with the same node.
func newFleet(c *Client, addresses []string) (*fleet, error) {
	cache, _ := simplelru.NewLRU[string, owner](remembered, nil) // refuses sizes below 1 only
	f := &fleet{
		client: c, owners: cache, patience: defaultPatience, suspect: defaultSuspect,
		whole: &peer{name: strings.Join(addresses, ","), kind: lockcached, strayed: make(chan struct{}, 1)},
	}
	list, err := parseServers(addresses)
	if err != nil {
		return nil, err
	}
	for _, addr := range list {
		if p := f.peerAt(addr); !slices.Contains(f.seeds, p) {
			p.seed = true
			f.seeds = append(f.seeds, p)
		}
	}
	rand.Shuffle(len(f.seeds), func(i, j int) { f.seeds[i], f.seeds[j] = f.seeds[j], f.seeds[i] })
	return f, nil
}

// peerAt returns the node at an address.
func (f *fleet) peerAt(addr net.Addr) *peer {
	return f.client.peerOf(addr.String(), func() *peer {
		p := &peer{name: addr.String(), addr: addr, onAway: f.lost, fleet: f, conns: make(map[*tracked]bool)}
		p.mc = memcache.NewFromSelector(single{addr})
		p.mc.Timeout, p.mc.MaxIdleConns = f.client.config.Timeout, f.client.config.MaxIdleConns
		p.mc.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) { return f.dial(ctx, p) }
		return p
	})
}

// nodes are all nodes that we know of.
func (f *fleet) nodes() []*peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.seeds, f.members)
}

// pick returns the node to ask about a key: its owner, or else the one that is most likely to
// answer.
func (f *fleet) pick(key string) *peer {
	now := time.Now()
	f.refresh(now)
	if p := f.ownerOf(lockOf(key), now); p != nil {
		if h := p.health(now); h.class == well {
			return p
		}
	}
	var best *peer
	var bestHealth health
	for _, p := range f.nodes() {
		if h := p.health(now); best == nil || h.isBetter(bestHealth) {
			best, bestHealth = p, h
		}
	}
	return best
}

// refresh asks which nodes there are, in the background, if we were told long ago.
func (f *fleet) refresh(now time.Time) {
	f.mu.Lock()
	due := !f.told.IsZero() && now.Sub(f.told) > rosterFor
	if due {
		f.told = now
	}
	f.mu.Unlock()
	if !due || f.client.begin() != nil {
		return
	}
	go func() {
		defer f.client.pending.Done()
		_, _ = f.now(f.client.closing) // if it fails we know what we knew
	}()
}

// ownerOf is the owner of a key, nil if it is not known.
func (f *fleet) ownerOf(key string, now time.Time) *peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o, found := f.owners.Get(key); found && now.Before(o.until) {
		return o.peer
	}
	return nil
}

// isLocated reports whether the owner of a key need not be asked for.
func (f *fleet) isLocated(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, found := f.owners.Get(key)
	return found && time.Now().Before(o.until)
}

// locate finds the owner of a key. If that fails, the request itself goes on, by way of another
// node.
func (f *fleet) locate(ctx context.Context, key string) {
	if !fits(ownerPrefix, key) || f.isLocated(key) {
		return
	}
	p := f.pick(key)
	var item *memcache.Item
	err := p.attempt(ctx, func() (err error) {
		item, err = p.mc.Get(ownerPrefix + key)
		return err
	})
	switch {
	case err == nil:
		name, clients, _ := strings.Cut(string(item.Value), " clients=")
		f.note(key, f.named(name, clients), ownerFor)
	case errors.Is(err, memcache.ErrCacheMiss):
		f.note(key, nil, noOwnerFor)
	default:
		f.client.log.Warn("owner not found", "key", key, "server", p.name, "error", err)
	}
}

func (f *fleet) note(key string, p *peer, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners.Add(key, owner{p, time.Now().Add(d)})
}

// failed forgets who owns a key: a request about it has failed.
func (f *fleet) failed(key string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners.Remove(lockOf(key))
}

// named returns the node of that name, whose address for clients is given, as it is told. A
// seed is reached by the address that Config.Cluster has for it. It is nil if there is no way.
func (f *fleet) named(name, address string) *peer {
	for _, p := range f.seeds {
		if p.name == address || p.isCalled(name) {
			return p
		}
	}
	addr, err := ParseServer(address)
	if err != nil {
		return nil
	}
	return f.peerAt(addr)
}

// lost follows the loss of a node: its idle connections are dead, too.
func (f *fleet) lost(p *peer) {
	_ = p.mc.Close()
	p.dropLines()
	if f.client.begin() != nil {
		return
	}
	go func() {
		defer f.client.pending.Done()
		f.revive(p)
	}()
}

// revive probes a node that is away until it is back, or gone from the cluster.
func (f *fleet) revive(p *peer) {
	ctx, v := f.client.closing, vigil{fleet: f, peer: p}
	defer v.hangUp()
	for p.isAway() {
		if !ctxtime.Sleep(ctx, max(p.nextTry(0), probePause)) {
			return
		}
		if !slices.Contains(f.nodes(), p) {
			p.forgive()
			return
		}
		if err := p.attempt(ctx, func() error { return v.ping(ctx) }); err != nil {
			p.giveUp(f.client.config.Tries)
		}
	}
	f.client.log.Info("node is back", "server", p.name)
}

// hopeless reports whether all nodes are away, for longer than anybody tries.
func (f *fleet) hopeless() bool {
	return !slices.ContainsFunc(f.nodes(), func(p *peer) bool { return !p.hopeless() })
}

// outage is for how long the loss of a node, or of the engine's leader, may delay an answer: the
// nodes have a patience with each other, suspect each other, and hold an election.
func (f *fleet) outage() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.patience + 2*f.suspect
}

// A health says how soon a node may answer.
type health struct {
	class int
	since time.Time // when it was in trouble, or when it is due for a probe
}

// The classes of health, the best first.
const (
	well = iota
	troubled
	away
	broken
)

// isBetter reports whether one node is to be asked rather than another.
func (h health) isBetter(other health) bool {
	if h.class != other.class {
		return h.class < other.class
	}
	return h.since.Before(other.since)
}

func (s *peer) health(now time.Time) health {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken:
		return health{broken, s.due}
	case s.away:
		return health{away, s.due}
	case now.Sub(s.troubled) < shunFor:
		return health{troubled, s.troubled}
	}
	return health{class: well}
}
