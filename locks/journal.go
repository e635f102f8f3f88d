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

// Journal keeps what becomes of held locks beyond the end of the process.
// *journal.Journal is one, and says what each method promises.
type Journal interface {
	Now() time.Duration
	Replay(visit func(*journal.Entry)) (journal.Recovered, error)
	Append(e *journal.Entry) (number uint64)
	Kept(number uint64) bool
	Doubtful(key []byte) bool
	Pending() bool
	Commit() error
	// Mark returns the number for Kept and Confirm of all that is known now. Numbers of
	// entries and marks rise together, but several may be the same.
	Mark() uint64
	// Confirm is Commit for what has that number or a smaller one.
	Confirm(number uint64) error
	// Strict reports whether others may change what is known here, as in a cluster: then
	// every reply about a key waits for Confirm, whatever it says.
	Strict() bool
	Waits() bool
	// Limit is how many bytes of key and value a lock may have to be kept; 0 if any may.
	Limit() int
	Err() error
	Checkpoint(walk func(emit func(*journal.Entry)) error) error
	WantsCheckpoint() <-chan struct{}
	SaveClasses(blob []byte) error
	Close() error
}

// ErrJournal says that a grant, or a change of a held lock, cannot be kept at
// present. The error that wraps it says why, in words for clients and operators, hence
// without the name of the package.
var ErrJournal = errors.New("cannot write the journal")

// Durable reports whether locks are kept in a journal.
func (m *Manager) Durable() bool { return m.journal != nil }

// JournalErr returns nil, or an ErrJournal that says why nothing can be kept at present.
func (m *Manager) JournalErr() error {
	if m.journal == nil {
		return nil
	}
	return m.journalErr(m.journal.Err())
}

// journalErr puts a failure of the journal into a few words. A strict journal has found them
// itself.
func (m *Manager) journalErr(err error) error {
	if err == nil {
		return nil
	}
	if m.strict {
		return &unconfirmed{err}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = errno
	}
	return fmt.Errorf("%w: %v", ErrJournal, err)
}

// unconfirmed is the ErrJournal of a strict journal.
type unconfirmed struct{ error }

func (*unconfirmed) Is(target error) bool { return target == ErrJournal }
func (e *unconfirmed) Unwrap() error      { return e.error }

// Pending reports whether Commit has anything to do.
func (m *Manager) Pending() bool { return m.journal != nil && m.journal.Pending() }

// CommitWaits reports whether Commit may take as long as a disk does.
func (m *Manager) CommitWaits() bool { return m.journal != nil && m.journal.Waits() }

// Commit returns when all that was done before is kept as safely as the journal promises.
// No answer may leave the process before. After an ErrJournal, no answer may report what
// was not kept: see Disavow, Kept and Doubtful.
func (m *Manager) Commit() error {
	if m.journal == nil {
		return nil
	}
	return m.journalErr(m.journal.Commit())
}

// Strict reports whether every reply about a key has to wait for Confirm, refusals and reads
// included, as in a cluster: if this node was replaced without knowing it, they could be
// wrong. Otherwise Commit is enough.
func (m *Manager) Strict() bool { return m.strict }

// Mark returns the number of all that is known now, 0 without a journal. A reply that is
// made before Mark may leave once that is Confirmed.
func (m *Manager) Mark() uint64 {
	if m.journal == nil {
		return 0
	}
	return m.journal.Mark()
}

// Confirmed reports whether Confirm has nothing to wait for.
func (m *Manager) Confirmed(mark uint64) bool { return m.journal == nil || m.Kept(mark) }

// Confirm is Commit for what was known at that mark: it waits for nothing that came later.
// In strict mode, no reply of before the mark may leave after an error.
func (m *Manager) Confirm(mark uint64) error {
	if m.journal == nil || mark == 0 {
		return nil
	}
	err := m.journalErr(m.journal.Confirm(mark))
	if err != nil {
		m.failure.Store(&err)
	}
	return err
}

// Unconfirmed is why Confirm failed last, and hence why a wait has Failed; nil if it has
// never failed.
func (m *Manager) Unconfirmed() error {
	if err := m.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Disavow takes back a grant that the journal could not keep, before anybody is told
// of it, and reports whether it did: a grant that was kept before the journal failed
// stands. entry is from Stored.Entry; s was granted the lock.
func (m *Manager) Disavow(key []byte, token, entry uint64, s *Session) (disavowed bool) {
	if m.Kept(entry) {
		return false
	}
	m.deliver(m.takeBack(key, token, s))
	return true
}

// takeBack ends the hold of a grant that was not kept, and returns the waiters served
// instead. The hold may have another token by now, if a client has stored over it. But it
// is still the session's: an earlier hold of that session would have ended before the
// grant. If the key is not owned any more, the grant may have been kept after all, and
// whoever serves the key takes it back.
func (m *Manager) takeBack(key []byte, token uint64, s *Session) *Waiting {
	served, err := m.endHoldIf(key, unkept, func(it *item) bool {
		return it.CAS() == token || it.Attached.by != nil && it.Attached.by == s.claimant()
	})
	if err != nil {
		m.withdrawElsewhere(key, token)
	}
	return served
}

// Kept reports whether an entry is as safe as the journal promises. 0 is none.
func (m *Manager) Kept(entry uint64) bool { return entry == 0 || m.journal.Kept(entry) }

// Doubtful reports, after an ErrJournal, whether a crash could bring back another
// state of the key's lock than the present one. A renewal or an end stays in force, and
// is kept when the journal works again; but nobody may rely on it before.
func (m *Manager) Doubtful(key []byte) bool { return m.journal.Doubtful(key) }

// keepable returns an ErrJournal if the item is a held lock and a change of it, which ends
// the hold or not, could not be kept. A single server can end a hold all the same, which
// helps the next holder when the journal works again, although nobody can be told before. A
// node of a cluster ends none: perhaps it does not serve the key any more.
func (sh *shard) keepable(it *item, ends bool) error {
	if sh.m.journal == nil || !held(it) || ends && !sh.m.strict {
		return nil
	}
	return sh.m.JournalErr()
}

// write appends to the journal what has happened to a held lock. Kept reports by the
// number of the entry whether that is kept.
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

// describeEnd fills sh.entry with the end of a hold. The entry is moot for an expiry,
// which the lease already shows, and for a grant that was not kept.
func (sh *shard) describeEnd(it *item, kind ledger.Kind) {
	sh.entry = journal.Entry{
		Kind:   journal.End,
		Key:    it.Key(),
		Token:  it.CAS(),
		Chosen: sh.m.isChosen(it.CAS()),
		Moot:   kind == ledger.Expired || kind == ledger.Unkept,
	}
}

// describe fills sh.entry with a hold.
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
		Claim:   sh.ids.of(it),
	}
	if it.Expires() != ttl.Forever {
		sh.entry.Expires = expiresAt(it.Expires(), drift) // which handles overflow
	}
}
