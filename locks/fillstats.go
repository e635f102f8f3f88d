package locks

import (
	"time"

	"github.com/lockcached/lockcached/stats/fills"
)

// FillTotals is what is known of all fills at one moment.
type FillTotals struct {
	fills.Counters
	Filling int   // keys that somebody is expected to store
	Held    int   // gets that are held, with as many keys as each waits for
	Watched int   // keys of which it is not known what became of their fill
	Keys    int   // keys with statistics
	Bytes   int64 // of fills and held gets; part of the memory that counts towards the limit
}

// FillTotals counts everything; all is 0 if there never were policies for fills.
func (m *Manager) FillTotals() (t FillTotals) {
	if !m.HasFills() {
		return t
	}
	for _, sh := range m.shards {
		sh.mu.Lock()
		fs := sh.fillings // made before HasFills
		t.Counters.Merge(fs.book.Totals())
		t.Filling += len(fs.byKey) - fs.idles
		t.Watched += fs.idles
		t.Held += fs.held
		t.Keys += fs.book.Len()
		t.Bytes += fs.bytes
		sh.mu.Unlock()
	}
	return t
}

// Fill is what is known of the fills of one key at one moment.
type Fill struct {
	Filling bool          // somebody is expected to store it
	Early   bool          // who was told the miss before the value expired
	Age     time.Duration // since then
	Left    time.Duration // until another one is told the miss
	Held    int           // gets that are held
	Time    time.Duration // how long a filler is given
	Holds   bool          // others are held for it
	fills.Record
}

// Fill returns what is known of the fills of a key.
func (m *Manager) Fill(key []byte) (x Fill, err error) {
	sh, _ := m.shardOf(key)
	sh.mu.Lock()
	defer sh.unlock()
	p, f := m.config().fillPolicy(key), sh.fillings.of(key)
	switch {
	case !m.owns(key):
		return x, ErrMoved
	case p.isZero() && f == nil:
		return x, nil
	case p.isZero(): // it goes on as it began
		p = f.policy
	}
	now := sh.now(nil)
	past := sh.fillings.book.Of(key)
	if f != nil {
		past = f.past
		x.Filling, x.Early = f.filler != nil, f.filler != nil && f.early
		if i := f.find(f.filler); i >= 0 {
			x.Age, x.Left = now-f.told[i].since, max(0, f.until-now)
		}
		if f.audience != nil {
			x.Held = f.audience.waiting.Len()
		}
	}
	cold, most := p.times()
	x.Time = sh.fillings.book.Time(past, cold, most)
	x.Holds = p.hold > 0 && sh.fillings.book.Holds(past, p.hold)
	x.Record = past.Clone()
	return x, nil
}

// FillClass returns what is known of the fills of a class; ok is false if nothing is.
func (m *Manager) FillClass(name string) (r fills.Record, ok bool) {
	known := m.config().fills
	if known == nil {
		return r, false
	}
	return known.Class(name)
}

// countHeld counts the gets that are held.
func (sh *shard) countHeld(f *filling) {
	if f.audience != nil {
		sh.fillMetrics(f).HeldGets += f.audience.waiting.Len()
	}
}
