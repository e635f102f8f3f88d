package locks

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
)

// Journal keeps what becomes of held locks where the end of the process does not
// reach it. What it promises, and when, is told by *journal.Journal, which is one.
type Journal interface {
	Now() time.Duration
	Replay(visit func(*journal.Entry)) (journal.Recovered, error)
	Append(e *journal.Entry) (number uint64)
	Kept(number uint64) bool
	Doubtful(key []byte) bool
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
// promises. No answer may leave the process before. After an ErrJournal none may that
// tells of what was not kept: see Disavow, Kept and Doubtful.
func (m *Manager) Commit() error {
	if m.journal == nil {
		return nil
	}
	return journalErr(m.journal.Commit())
}

// Disavow takes back a grant that the journal could not keep, before anybody is told
// of it, and reports whether it had to: what was kept before the journal failed
// stands. entry is what Put.Entry told; s is who was granted the lock.
func (m *Manager) Disavow(key []byte, token, entry uint64, s *Session) (disavowed bool) {
	if m.Kept(entry) {
		return false
	}
	m.deliver(m.takeBack(key, token, s))
	return true
}

// takeBack ends the hold that a grant began which was not kept, and returns who is
// served instead. The hold may have another token by now, if the client, or somebody
// else, has stored over it: but it is still the session's, and an earlier one of that
// session would have ended before the grant.
func (m *Manager) takeBack(key []byte, token uint64, s *Session) *Waiting {
	return m.endHoldIf(key, unkept, func(it *item) bool {
		return it.CAS() == token || it.Attached.by != nil && it.Attached.by == s.claimant()
	})
}

// Kept reports whether an entry of the journal is as safe as it promises.
func (m *Manager) Kept(entry uint64) bool { return m.journal.Kept(entry) }

// Doubtful reports, after an ErrJournal, whether a crash could bring back another
// state of the key's lock than the present one. What was renewed or has ended stays
// so, and is kept when the journal works again: but nobody may rely on it before.
func (m *Manager) Doubtful(key []byte) bool { return m.journal.Doubtful(key) }

// keepable returns an ErrJournal if the item is a held lock and a change of it
// could not be kept. To end a hold is always possible, and helps whoever is next when
// the journal works again; only that nobody can be told before.
func (sh *shard) keepable(it *item) error {
	if sh.m.journal == nil || !held(it) {
		return nil
	}
	return sh.m.JournalErr()
}

// write tells the journal what has happened to a held lock. Whether that is kept is
// asked by the number of the entry.
func (sh *shard) write(it *item, kind ledger.Kind) {
	switch {
	case kind == ledger.Granted:
		sh.describe(it)
		sh.entry.Moot = true
	case kind == ledger.Renewed || kind == ledger.Changed:
		sh.describe(it)
	case kind.EndsHold():
		sh.describeEnd(it, kind)
	default: // no news of the hold itself
		return
	}
	sh.wrote = sh.m.journal.Append(&sh.entry)
	if kind.EndsHold() {
		sh.ended = sh.wrote
	}
}

// describeEnd fills sh.entry with the end of a hold. That a lease is over is known
// without it, and what was not kept need not be ended.
func (sh *shard) describeEnd(it *item, kind ledger.Kind) {
	sh.entry = journal.Entry{
		Kind:   journal.End,
		Key:    it.Key(),
		Token:  it.CAS(),
		Chosen: sh.m.isChosen(it.CAS()),
		Moot:   kind == ledger.Expired || kind == ledger.Unkept,
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
		Expires: ttl.Forever,
		Binary:  it.Has(store.Binary),
	}
	if it.Expires() != ttl.Forever {
		sh.entry.Expires = expiresAt(it.Expires(), drift) // which knows of overflow
	}
}
