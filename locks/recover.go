package locks

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/stats/ledger"
	"github.com/lockcached/lockcached/store"
)

// Recover puts back the locks that the journal has kept, as they were: the same
// holders, tokens and ends of leases. A lease that has ended meanwhile is acted on
// when Run begins. Call it once, before anything else; without a journal it does nothing.
func (m *Manager) Recover() (r journal.Recovered, err error) {
	if m.journal == nil {
		return r, nil
	}
	r, err = m.journal.Replay(m.restore)
	if err != nil {
		return r, err
	}
	m.token.Store(max(m.token.Load(), r.MaxToken))
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.settle(0)
		sh.mu.Unlock()
	}
	if len(r.Classes) == 0 {
		return r, nil
	}
	if err := m.restoreClasses(r.Classes); err != nil {
		m.logger.Warn().Err(err).Msg("statistics of classes begin anew")
	}
	return r, nil
}

// restore puts back a hold. The hold does not begin now: nothing is counted, and nobody
// is told. It may exceed the memory limit.
func (m *Manager) restore(e *journal.Entry) {
	expires := ttl.Forever
	if e.Expires != ttl.Forever {
		expires = e.Expires - time.Duration(m.drift.Load())
	}
	sh, hash := m.shardOf(e.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.putBack(e, hash, expires, sh.now(nil))
}

// putBack makes an item of a hold that has begun earlier. The key has none.
func (sh *shard) putBack(e *journal.Entry, hash uint64, expires, now time.Duration) {
	it := sh.table.Insert(hash, e.Key, e.Value, expires, now, true)
	it.Flags = e.Flags
	it.SetCAS(e.Token)
	if e.Binary {
		it.Mark(store.Binary)
	}
	since := min(e.Since-time.Duration(sh.m.drift.Load()), now)
	if since == 0 {
		since = 1 // 0 is no hold
	}
	sh.begin(it, since, nil)
	sh.ids.begin(it, e.Claim)
	it.Attached.past = sh.ledger.Granted(it.Key())
	sh.ledger.Note(it.Attached.past, &ledger.Event{Kind: ledger.Came, Now: now})
	sh.settle(settleStep)
	sh.m.dueAt(it.Due())
}

// classBlob encodes what is known of classes, for restoreClasses.
func (m *Manager) classBlob() ([]byte, error) {
	all := m.Classes()
	all = all[:min(len(all), m.fixed.StatsClasses)]
	for i := range all {
		if r, ok := m.Class(all[i].Name); ok {
			all[i].Record = r // with its laws
		}
	}
	return json.Marshal(all)
}

// restoreClasses puts back what was known of classes. The busiest is first in the blob
// and is put back last: if there are too many, those used longest ago are forgotten.
func (m *Manager) restoreClasses(blob []byte) error {
	var all []NamedRecord
	if err := json.Unmarshal(blob, &all); err != nil {
		return fmt.Errorf("cannot read the statistics of classes: %w", err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		m.restoreClass(&all[i])
	}
	return nil
}

// restoreClass puts a class into one of the shards; queries merge the shards.
func (m *Manager) restoreClass(c *NamedRecord) {
	sh, _ := m.shardOf(bytesOf(c.Name))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.ledger.RestoreClass(c.Name, c.Record, m.now())
}
