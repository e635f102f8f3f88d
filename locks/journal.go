package locks

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/store"
	"github.com/lockcached/lockcached/store/journal"
)

// Journal keeps what becomes of held locks where the end of the process does not
// reach it. What it promises, and when, is told by *journal.Journal, which is one.
type Journal interface {
	Now() time.Duration
	Replay(visit func(*journal.Entry)) (journal.Recovered, error)
	Append(e *journal.Entry)
	Pending() bool
	Commit() error
	Waits() bool
	Err() error
	Checkpoint(walk func(emit func(*journal.Entry)) error) error
	WantsCheckpoint() <-chan struct{}
	SaveClasses(blob []byte) error
	Close() error
}

// ErrJournal says that a grant, or a change of a held lock, cannot be kept at
// present. What wraps it says why: in words for clients and operators, hence without
// the name of the package.
var ErrJournal = errors.New("cannot write the journal")

// Durable reports whether locks are kept in a journal.
func (m *Manager) Durable() bool { return m.journal != nil }

// JournalErr is nil, or an ErrJournal that says why nothing can be kept at present.
func (m *Manager) JournalErr() error {
	if m.journal == nil {
		return nil
	}
	return journalErr(m.journal.Err())
}

// journalErr puts a failure of the journal into a few words.
func journalErr(err error) error {
	if err == nil {
		return nil
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = errno
	}
	return fmt.Errorf("%w: %v", ErrJournal, err)
}

// Pending reports whether Commit has anything to do.
func (m *Manager) Pending() bool { return m.journal != nil && m.journal.Pending() }

// CommitWaits reports whether Commit may take as long as a disk does.
func (m *Manager) CommitWaits() bool { return m.journal != nil && m.journal.Waits() }

// Commit returns when all that was done before is kept as safely as the journal
// promises. No answer may leave the process before. After an ErrJournal what was
// promised in the meantime is to be taken back: see Disavow.
func (m *Manager) Commit() error {
	if m.journal == nil {
		return nil
	}
	return journalErr(m.journal.Commit())
}

// Disavow takes back what the journal could not keep before anybody was told of it:
// a grant with that token is withdrawn; a renewal, for which the token is 0, stays,
// since to last too long does no harm. It reports whether a promise was made at all:
// an ordinary item is none.
func (m *Manager) Disavow(key []byte, token uint64) (promised bool) {
	sh, hash := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	now := m.now()
	it := sh.find(hash, key, now)
	if it == nil {
		return true
	}
	if held(it) && it.CAS() == token {
		sh.end(it, unheard, now)
		return true
	}
	return held(it)
}

// keepable returns an ErrJournal if the item is a held lock and a change of it
// could not be kept. To end a hold is always possible.
func (sh *shard) keepable(it *item) error {
	if sh.m.journal == nil || !held(it) {
		return nil
	}
	return sh.m.JournalErr()
}

// note tells the journal of a new hold, or of one whose lease, value, flags or id
// have changed.
func (sh *shard) note(it *item) {
	if sh.m.journal != nil && held(it) {
		sh.describe(it)
		sh.m.journal.Append(&sh.entry)
	}
}

// noteEnd tells the journal that a hold has ended.
func (sh *shard) noteEnd(it *item) {
	if sh.m.journal != nil {
		sh.entry = journal.Entry{Kind: journal.End, Key: it.Key(), Token: it.CAS(), Chosen: sh.m.isChosen(it.CAS())}
		sh.m.journal.Append(&sh.entry)
	}
}

// describe fills sh.entry, which is kept so that it is not allocated, with a hold.
func (sh *shard) describe(it *item) {
	drift := time.Duration(sh.m.drift.Load())
	sh.entry = journal.Entry{
		Kind:    journal.Put,
		Key:     it.Key(),
		Value:   it.Value(),
		Flags:   it.Flags,
		Token:   it.CAS(),
		Chosen:  sh.m.isChosen(it.CAS()),
		Since:   it.Attached.since + drift,
		Expires: journal.Forever,
		Binary:  it.Has(store.Binary),
	}
	if it.Expires() != forever {
		sh.entry.Expires = expiresAt(it.Expires(), drift) // which knows of overflow
	}
}
