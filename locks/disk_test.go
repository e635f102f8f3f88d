package locks

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/journal"
)

// disk keeps what the journals of successive processes have committed.
type disk struct {
	mu      sync.Mutex
	born    time.Time
	holds   map[string]journal.Entry
	token   uint64
	classes []byte
	err     error         // why nothing can be written
	slow    time.Duration // how long a commit takes
	commits int
}

func newDisk() *disk {
	return &disk{born: time.Now().Add(-time.Hour), holds: make(map[string]journal.Entry)}
}

// process is a Journal on a disk, until the process dies.
type process struct {
	*disk
	pending []journal.Entry
	unkept  bool // something could not be written
	entries uint64
	kept    uint64          // of these
	doubts  map[string]bool // keys of what was lost
	dead    bool
	wants   chan struct{}
	die     func()
}

// boot starts a Manager from what is on the disk. It runs until the process dies or
// the test ends.
func (d *disk) boot(t *testing.T, c Config) (*Manager, *process) {
	t.Helper()
	p := &process{disk: d, wants: make(chan struct{}, 1), doubts: make(map[string]bool)}
	c.Journal = p
	m := NewManager(c)
	if _, err := m.Recover(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go m.Run(ctx)
	p.die = cancel
	return m, p
}

// kill ends the process without warning: what is not committed is lost.
func (p *process) kill() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.die()
	synctest.Wait()
}

func (p *process) Now() time.Duration { return time.Since(p.born) }

func (p *process) Replay(visit func(*journal.Entry)) (journal.Recovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(p.holds)) {
		e := p.holds[key]
		visit(&e)
	}
	return journal.Recovered{MaxToken: p.token, Locks: len(p.holds), Classes: p.classes}, nil
}

func (p *process) Append(e *journal.Entry) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := *e
	c.Key, c.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
	p.pending = append(p.pending, c)
	p.entries++
	if p.unkept {
		p.doubt(&c)
	}
	return p.entries
}

func (p *process) doubt(e *journal.Entry) {
	if !e.Moot {
		p.doubts[string(e.Key)] = true
	}
}

func (p *process) Kept(entry uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return entry <= p.kept
}

func (p *process) Doubtful(key []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doubts[string(key)]
}

func (p *process) Pending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending) > 0 || p.unkept
}

func (p *process) Mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries
}

func (p *process) Confirm(number uint64) error {
	if p.Kept(number) {
		return nil
	}
	return p.Commit()
}

func (p *process) Strict() bool { return false }

func (p *process) Commit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := p.slow
	if pause > 0 {
		p.mu.Unlock()
		time.Sleep(pause)
		p.mu.Lock()
	}
	if p.dead {
		return syscall.EIO
	}
	p.commits++
	if p.err != nil || p.unkept {
		for i := range p.pending {
			p.doubt(&p.pending[i])
		}
		p.unkept, p.pending = true, nil
		return syscall.ENOSPC
	}
	for i := range p.pending {
		p.apply(&p.pending[i])
	}
	p.pending, p.kept = nil, p.entries
	return nil
}

func (d *disk) apply(e *journal.Entry) {
	if !e.Chosen {
		d.token = max(d.token, e.Token)
	}
	if e.Kind == journal.End {
		delete(d.holds, string(e.Key))
	} else {
		d.holds[string(e.Key)] = *e
	}
}

func (p *process) Waits() bool { return p.slow > 0 }

func (p *process) Limit() int { return 0 }

func (p *process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unkept {
		return syscall.ENOSPC
	}
	return nil
}

func (p *process) Checkpoint(walk func(func(*journal.Entry)) error) error {
	p.mu.Lock()
	if p.err != nil {
		defer p.mu.Unlock()
		return p.err
	}
	p.holds, p.pending, p.unkept = make(map[string]journal.Entry), nil, false
	clear(p.doubts)
	p.mu.Unlock()
	err := walk(func(e *journal.Entry) { p.Append(e) })
	if err != nil {
		return err
	}
	return p.Commit()
}

func (p *process) WantsCheckpoint() <-chan struct{} { return p.wants }

func (p *process) SaveClasses(blob []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.classes = blob
	}
	return p.err
}

func (p *process) Close() error { return p.Commit() }

// fail makes the disk full, or gives it space again.
func (d *disk) fail(err error) {
	d.mu.Lock()
	d.err = err
	d.mu.Unlock()
}
