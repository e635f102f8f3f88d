package locks

import (
	"context"
	"time"

	"github.com/lockcached/lockcached/journal"
)

const (
	// Entries that nobody waits for, such as an expiry or a noreply, are committed within
	// this time. After the machine has slept, leases are written down wrongly for no
	// longer.
	commitEvery = time.Second
	// A crash loses at most this much of the statistics.
	saveEvery = time.Minute
)

// keep maintains the journal: it commits what nobody else commits, begins the journal
// anew when it has grown long or could not be written, and saves statistics. It returns
// when the context is done.
func (m *Manager) keep(ctx context.Context) {
	commit, save := time.NewTicker(commitEvery), time.NewTicker(saveEvery)
	defer commit.Stop()
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.journal.WantsCheckpoint():
			m.checkpoint()
		case <-commit.C:
			m.measureDrift()
			if m.Pending() {
				_ = m.Commit() // JournalErr reports it
			}
		case <-save.C:
			m.saveClasses()
		}
	}
}

// checkpoint begins the journal anew with every present hold. If that fails, the journal
// asks for another checkpoint.
func (m *Manager) checkpoint() {
	began := m.now()
	err := m.journal.Checkpoint(func(emit func(*journal.Entry)) error {
		m.EachHold(emit)
		return nil
	})
	if err != nil {
		m.logger.Warn().Err(err).Msg("cannot begin the journal anew")
		return
	}
	m.logger.Debug().Dur("took_ms", m.now()-began).Msg("the journal begins anew")
}

// EachHold emits every hold as a Put, which is good until emit returns. The hold's shard is
// locked meanwhile, but not from one hold to the next: one that begins or ends meanwhile may
// be emitted or not.
func (m *Manager) EachHold(emit func(*journal.Entry)) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.eachHold(emit)
		sh.mu.Unlock()
	}
}

// eachHold emits the holds of the shard, which it unlocks in between.
func (sh *shard) eachHold(emit func(*journal.Entry)) {
	sh.eachPiece(func(it *item) {
		if held(it) {
			sh.describe(it)
			emit(&sh.entry)
		}
	})
}

func (m *Manager) saveClasses() {
	blob, err := m.classBlob()
	if err == nil {
		err = m.journal.SaveClasses(blob)
	}
	if err != nil {
		m.logger.Warn().Err(err).Msg("cannot save the statistics of classes")
	}
}

// CloseJournal writes everything to the journal for the next start, and closes it. Run
// must have returned, and the Manager must not be used afterwards. Without a journal it
// does nothing.
func (m *Manager) CloseJournal() error {
	if m.journal == nil {
		return nil
	}
	if m.JournalErr() != nil {
		m.checkpoint() // the disk may have space by now for holds that have ended
	}
	m.saveClasses()
	return m.journal.Close()
}
