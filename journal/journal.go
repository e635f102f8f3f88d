package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Errors of Open and Replay. The error that wraps them names the file and says what to
// do.
var (
	ErrInUse   = errors.New("journal: in use")
	ErrCorrupt = errors.New("journal: corrupt")
)

// errClosed is the error of Commit and Checkpoint after Close.
var errClosed = errors.New("journal: closed")

// Mode says when what is committed is forced to the disk. Whatever the mode, it
// survives the end of the process.
type Mode uint8

// The modes.
const (
	Interval Mode = iota // every Config.Interval: a power cut loses that much at most
	Always               // before Commit returns: a power cut loses nothing
	Never                // when the kernel decides to
)

// Config says how to keep a journal. Only Dir is needed.
type Config struct {
	Dir             string        // made if it does not exist
	Fsync           Mode          // default Interval
	Interval        time.Duration // between two fsyncs in mode Interval; default 1 s
	CheckpointBytes int64         // growth after which it wants a checkpoint; default 64 MiB; never less than 4 times the last checkpoint
	Clock           Clock         // default Machine
	Logger          zerolog.Logger

	// Create makes a new file for a segment; it fails if the file exists. Tests make
	// files that fail. The default makes ordinary ones.
	Create func(path string) (File, error)
}

// checkpointFactor bounds the share of checkpoints in all that is written.
const checkpointFactor = 4

func (c Config) withDefaults() Config {
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	if c.CheckpointBytes <= 0 {
		c.CheckpointBytes = 64 << 20
	}
	if c.Clock == nil {
		c.Clock = Machine
	}
	if c.Create == nil {
		c.Create = createFile
	}
	return c
}

// Journal is an open journal. Several goroutines may use it at a time. Its mutexes are
// locked in the order in which they stand here.
type Journal struct {
	config Config
	lock   *os.File // on the directory
	meter  meter

	checkpoint sync.Mutex // one at a time

	writing      sync.Mutex // guards the segment and what follows
	segment      *segment   // nil before Replay and after Close
	older        []uint64   // segments to be deleted when the checkpoint is complete
	taken        uint64     // how many entries were appended when pending was last taken
	spare        []byte     // the next buffer for pending
	noted        Moment     // of the latest batch
	grown        int64      // bytes written since the last checkpoint was complete
	checkpointed int64      // size of the last one, in bytes
	failures     int        // how often writing failed
	uncommitted  keyList    // of entries that were taken but not committed

	mu       sync.Mutex // guards what follows; held for the time it takes to copy an entry
	pending  []byte     // encoded entries
	keys     keyList    // of pending entries that are not moot
	dropping bool       // entries, because writing failed
	failing  bool       // from a failure on until a checkpoint is complete
	doubts   doubts     // about what was appended meanwhile, and what was lost
	tokens   uint64     // the largest

	appended  atomic.Uint64 // entries; changed under mu
	committed atomic.Uint64 // how many of them are committed
	failure   atomic.Pointer[error]

	full  chan struct{} // enough is pending to be written
	wants chan struct{}
	stop  chan struct{}
	ended sync.WaitGroup
}

// Open locks the directory for this process. It fails with ErrInUse if another process
// has it. Call Replay next.
func Open(c Config) (*Journal, error) {
	lock, err := possess(c.Dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		config: c.withDefaults(),
		lock:   lock,
		full:   make(chan struct{}, 1),
		wants:  make(chan struct{}, 1),
		stop:   make(chan struct{}),
	}
	j.config.Create = j.meter.creating(j.config.Create)
	return j, nil
}

// Now is the time on the journal's clock: CLOCK_BOOTTIME unless Config says
// otherwise.
func (j *Journal) Now() time.Duration { return j.config.Clock().Boot }

// Waits reports whether Commit may take as long as the disk does.
func (j *Journal) Waits() bool { return j.config.Fsync == Always }

// Limit says that locks of any size can be kept.
func (j *Journal) Limit() int { return 0 }

// Strict reports that reads and refusals promise nothing: nobody else can have changed what
// this process knows.
func (j *Journal) Strict() bool { return false }

// Err returns nil, or why nothing can be made safe at present: then no lock may be
// granted. It returns nil again once a Checkpoint has succeeded.
func (j *Journal) Err() error {
	if err := j.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// start begins the segment that continues what was replayed.
func (j *Journal) start(r *replay) error {
	p := preface{number: 1, tokens: r.MaxToken}
	if len(r.chain) > 0 {
		p = preface{number: r.numbers[0] + 1, after: r.chain[0].number, afterEnd: r.chain[0].end, tokens: r.MaxToken}
	}
	for _, found := range r.chain {
		// What was read may have been in the kernel's memory alone.
		if err := syncPath(j.path(found.number)); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		j.older = append(j.older, found.number)
		j.grown += found.end
	}
	j.remove(r.useless()...)
	s, err := j.create(p)
	if err != nil {
		return err
	}
	j.segment, j.tokens = s, r.MaxToken
	if len(r.chain) > 0 {
		signal(j.wants) // or the chain would grow by a segment with every start
	}
	j.ended.Go(j.run)
	return nil
}

// run does what is due without being asked for.
func (j *Journal) run() {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	interval := time.NewTicker(j.config.Interval)
	defer interval.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-j.full:
			_ = j.flush() // Err reports it
		case <-interval.C:
			if j.config.Fsync == Interval && j.flush() == nil {
				_ = j.sync()
			}
		case <-second.C:
			_ = j.Commit() // for entries that nobody waits for
			j.noteClock()
			j.ask()
		}
	}
}

// noteClock writes a batch with the new time if the wall clock was set.
func (j *Journal) noteClock() {
	const tolerated = 100 * time.Millisecond
	j.writing.Lock()
	defer j.writing.Unlock()
	if d := j.config.Clock().drift(j.noted); j.Err() == nil && d.Abs() > tolerated && j.write(false) == nil {
		_ = j.commit(j.Waits())
	}
}

// ask asks for a checkpoint if one is due.
func (j *Journal) ask() {
	j.writing.Lock()
	due := j.grown > max(j.config.CheckpointBytes, checkpointFactor*j.checkpointed)
	j.writing.Unlock()
	if due || j.Err() != nil {
		signal(j.wants)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was already
	}
}

// Close commits what is pending, forces it to the disk whatever the mode, records that it
// is there, and releases the directory. It waits for a Checkpoint to end.
func (j *Journal) Close() error {
	close(j.stop)
	j.ended.Wait()
	j.checkpoint.Lock()
	defer j.checkpoint.Unlock()
	j.writing.Lock()
	defer j.writing.Unlock()
	defer j.lock.Close()
	if j.segment == nil {
		return nil
	}
	err := j.Err()
	if err == nil {
		err = j.end()
	}
	err = errors.Join(err, j.segment.close())
	j.segment = nil
	return err
}

// end makes the segment safe, with a last batch that says so.
func (j *Journal) end() error {
	if err := j.commit(true); err != nil {
		return err
	}
	if err := j.write(false); err != nil {
		return err
	}
	return j.commit(true)
}
