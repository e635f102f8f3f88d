package journal

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats"
)

// Why something could not be confirmed.
var (
	// ErrNoQuorum: no transaction has succeeded for Config.Patience. It may still.
	ErrNoQuorum = errors.New("no quorum")
	// ErrFenced: other nodes have taken this incarnation for dead. It can commit nothing more.
	ErrFenced = errors.New("no quorum: other nodes have taken over")
)

// Config says where and how to keep a journal. All fields are required.
type Config struct {
	Engine engine.Engine
	Prefix string               // of all keys of the cluster in the engine
	Clock  func() time.Duration // CLOCK_BOOTTIME, or what tests have for it
	// Patience is how long an answer waits for its confirmation.
	Patience time.Duration
	Logger   zerolog.Logger
}

// Membership is what an incarnation is allowed to write by.
type Membership interface {
	// Incarnation is its name, which never returns.
	Incarnation() string
	// Guard returns the conditions of every transaction, and Revision the revision of the map
	// that is one of them.
	Guard() []engine.Cond
	Revision() int64
	// Refresh is called when they did not hold. It reads again what has changed, and returns
	// ErrFenced if the incarnation is over.
	Refresh(ctx context.Context) error
}

// Journal is a journal that several incarnations of a node write one after the other. Its
// methods may be called from any goroutine.
type Journal struct {
	config Config

	checkpoint chan struct{} // has room for one: whoever writes a checkpoint

	mu        sync.Mutex // guards what follows; held for the time it takes to copy an entry
	member    Membership // nil between two incarnations
	life      context.Context
	why       error     // then: why nothing can be confirmed
	pending   [][]byte  // encoded entries of the next batches
	entries   int       // their number
	tokens    uint64    // the largest
	next      *round    // the transaction that has not begun
	current   *round    // the one in flight; nil if there is none
	confirmed uint64    // number of the latest round that succeeded
	lost      []span    // rounds before that which did not, the latest last
	wanted    uint64    // number of the latest round that somebody waits for
	seq       uint64    // of the latest batch
	grown     int64     // bytes of batches since the checkpoint
	size      int64     // of the checkpoint, in bytes
	began     time.Time // when the oldest round that is not confirmed began; zero if there is none
	counts    Counts

	frozen atomic.Bool // no checkpoints: another node still reads what they would delete

	work  chan struct{} // tells run that a round is wanted
	wants chan struct{}
}

// Counts is what a Journal has done so far.
type Counts struct {
	Commits  stats.Tally // how long rounds took that wrote something
	Confirms stats.Tally // how long those took that only confirmed
	Batches  stats.Sizes // entries of a round; one that is only a sign of life is left out
	Retries  uint64      // tries of transactions after the first
}

// Counts returns what the journal has done so far.
func (j *Journal) Counts() Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts
}

// round is a transaction and those who wait for it.
type round struct {
	number uint64
	began  time.Time     // set when it begins
	done   chan struct{} // closed when the outcome is known
	err    error         // set before that
}

func newRound(number uint64) *round { return &round{number: number, done: make(chan struct{})} }

// New returns a Journal that confirms nothing before Serve is called.
func New(c Config) *Journal {
	return &Journal{
		config:     c,
		why:        ErrNoQuorum,
		next:       newRound(1),
		checkpoint: make(chan struct{}, 1),
		work:       make(chan struct{}, 1),
		wants:      make(chan struct{}, 1),
	}
}

// Now is the time on the journal's clock.
func (j *Journal) Now() time.Duration { return j.config.Clock() }

// Replay finds nothing: what a node takes over it reads with Read.
func (j *Journal) Replay(func(*journal.Entry)) (journal.Recovered, error) {
	return journal.Recovered{}, nil
}

// Strict says that reads and refusals have to be confirmed, too.
func (j *Journal) Strict() bool { return true }

// Limit is how many bytes of key and value a lock may have: an entry goes into one transaction.
func (j *Journal) Limit() int { return maxEntry }

// Waits says that Commit takes its time.
func (j *Journal) Waits() bool { return true }

// Append adds an entry to the next batch, and returns the number of the round that keeps it.
func (j *Journal) Append(e *journal.Entry) (number uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = pack(j.pending, e)
	j.entries++
	if !e.Chosen {
		j.tokens = max(j.tokens, e.Token)
	}
	j.want()
	return j.next.number
}

// pack adds an entry to the last batch or, if that would be too large then, to one more.
func pack(batches [][]byte, e *journal.Entry) [][]byte {
	last := len(batches) - 1
	if last < 0 {
		return append(batches, e.Append(nil))
	}
	before := len(batches[last])
	both := e.Append(batches[last])
	if before == 0 || len(both) <= maxBatch {
		batches[last] = both
		return batches
	}
	return append(batches, bytes.Clone(both[before:]))
}

// Mark returns the number of the round that confirms what is known now.
func (j *Journal) Mark() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.want()
	return j.next.number
}

// want asks for the next round. The caller has the mutex.
func (j *Journal) want() {
	if j.wanted != j.next.number {
		j.wanted = j.next.number
		signal(j.work)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Kept reports whether a round has succeeded.
func (j *Journal) Kept(number uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept(number)
}

func (j *Journal) kept(number uint64) bool {
	if number > j.confirmed {
		return false
	}
	for _, s := range slices.Backward(j.lost) {
		if number > s.last {
			break
		}
		if number >= s.first {
			return false
		}
	}
	return true
}

// span is some rounds, by their numbers.
type span struct{ first, last uint64 }

// maxSpans bounds how many ends of incarnations are remembered. Nobody waits for an answer so
// long.
const maxSpans = 100

// Confirmed is Kept, for marks.
func (j *Journal) Confirmed(mark uint64) bool { return j.Kept(mark) }

// Pending reports whether somebody waits for a round.
func (j *Journal) Pending() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wanted > j.confirmed
}

// Commit waits until all that was known when it was called is confirmed.
func (j *Journal) Commit() error {
	j.mu.Lock()
	mark := j.wanted
	j.mu.Unlock()
	return j.Confirm(mark)
}

// Confirm waits for a round, for as long as the Patience, and returns why it did not succeed.
func (j *Journal) Confirm(mark uint64) error {
	j.mu.Lock()
	r, kept, err := j.roundOf(mark), j.kept(mark), j.err()
	j.mu.Unlock()
	switch {
	case kept:
		return nil
	case err != nil: // whoever comes now would wait in vain
		return err
	case r == nil: // it has failed
		return ErrFenced
	}
	late := time.NewTimer(j.config.Patience)
	defer late.Stop()
	select {
	case <-r.done:
		return r.err
	case <-late.C:
		return ErrNoQuorum
	}
}

// roundOf returns the round with a number, nil if it is over. The caller has the mutex.
func (j *Journal) roundOf(number uint64) *round {
	switch {
	case number == j.next.number:
		return j.next
	case j.current != nil && number == j.current.number:
		return j.current
	}
	return nil
}

// overdue reports whether no round has succeeded for longer than the Patience. The caller has
// the mutex.
func (j *Journal) overdue() bool {
	return !j.began.IsZero() && time.Since(j.began) > j.config.Patience
}

// Err returns nil, or why no lock can be granted at present.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err()
}

func (j *Journal) err() error {
	switch {
	case j.member == nil:
		return j.why
	case j.overdue():
		return ErrNoQuorum
	}
	return nil
}

// Doubtful reports that nothing is known of any key while nothing can be confirmed.
func (j *Journal) Doubtful([]byte) bool { return j.Err() != nil }

// RaiseToken makes the journal tell whoever takes over of a token that was given elsewhere.
func (j *Journal) RaiseToken(n uint64) {
	j.mu.Lock()
	j.tokens = max(j.tokens, n)
	j.mu.Unlock()
}

// SaveClasses does nothing: statistics do not outlive a node.
func (j *Journal) SaveClasses([]byte) error { return nil }

// Close does nothing: Serve ends with its context.
func (j *Journal) Close() error { return nil }
