package engine

import "context"

// Engine is a store of keys, replicated on several machines. Several goroutines may use it
// at a time.
//
// Reads are linearizable: they see every change whose Txn returned before they began, on
// whatever machine, or they fail. A read that fails tells nothing, and may be repeated.
type Engine interface {
	// Txn carries out t in one atomic step: all of Then if every condition of If holds, and
	// all of Else if not. Its errors are ErrRefused or ErrUnknown, see the package comment;
	// a context that ends makes it ErrUnknown.
	Txn(ctx context.Context, t Txn) (Outcome, error)

	// Get returns the pair of a key, and the revision of the store at which it was read. If
	// there is no such key, the pair is zero.
	Get(ctx context.Context, key string) (p Pair, revision int64, err error)

	// List calls visit for each pair whose key begins with the prefix, in the order of
	// keys, as they all were at the revision that it returns. It reads a few pairs at a
	// time, so there may be more than fit into memory. If the list takes so long that its
	// revision is compacted, the error is ErrCompacted: forget what was visited and begin
	// anew.
	List(ctx context.Context, prefix string, visit func(Pair)) (revision int64, err error)

	// Watch sends every change after the given revision of keys that begin with the prefix,
	// in their order, without gaps. Lost connections and new leaders delay them. A channel
	// that is closed although ctx has not ended has lost changes, because they were
	// compacted or the connection could not be kept: call List again and watch from its
	// revision. The changes may lag behind Get and List. Receive until the channel is
	// closed: nothing is dropped for a slow receiver, but it costs memory.
	Watch(ctx context.Context, prefix string, after int64) <-chan Change

	// LeaderChanged returns a channel that is closed when this machine notices the next new
	// leader: then the answers to what was sent to the old one do not come. Take it before
	// you send. It may be closed for a leader that was there already.
	LeaderChanged() <-chan struct{}

	// HasLeader reports, from what this machine knows without asking, whether there is a
	// leader, and hence a majority. A machine that has been cut off learns of that only
	// after an election timeout. A health check may use it; nothing else may rely on it.
	HasLeader() bool

	// Close gives up what the engine has, and leaves the cluster running. Calls that have
	// not returned may end with any error; later ones are refused with ErrClosed.
	Close() error
}

// Pair is a key with its value. The zero Pair stands for a key that does not exist.
type Pair struct {
	Key      string
	Value    []byte
	Created  int64 // the revision that created it
	Modified int64 // the revision that changed it last
}

// Exists reports whether there is such a key.
func (p Pair) Exists() bool { return p.Created != 0 }

// Change is what one revision did to the watched keys.
type Change struct {
	Revision int64
	Events   []Event
}

// Event is a key that was put or deleted. Of a deleted one only the key and the revision
// of the deletion, Modified, are known.
type Event struct {
	Pair
	Deleted bool
}
