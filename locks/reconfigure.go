package locks

import "github.com/lockcached/lockcached/stats/fills"

// effect is a Config with what follows from it. It is replaced as a whole, never changed.
type effect struct {
	Config
	guards   bool          // late releases of some locks end no hold
	hasFills bool          // there are policies for fills
	mostBeta float64       // of all EarlyPolicies
	fills    *fills.Shared // what is known of fills; nil if there never were policies for them
}

// newEffect returns what follows from a Config with its defaults. known is what is known of fills
// already, nil for nothing.
func newEffect(c Config, known *fills.Shared) *effect {
	e := &effect{Config: c, fills: known}
	e.guards = len(c.GuardRelease) > 0
	e.hasFills = len(c.HoldPolicies)+len(c.StalePolicies)+len(c.EarlyPolicies) > 0
	for _, p := range c.EarlyPolicies {
		e.mostBeta = max(e.mostBeta, p.Beta)
	}
	if e.hasFills && e.fills == nil {
		e.fills = fills.NewShared(c.ClassDelimiter, c.StatsClasses)
	}
	return e
}

// Reconfigure puts the policies and bounds of c into effect: WaitPolicies, LockDelays, GuardRelease,
// HoldPolicies, StalePolicies, EarlyPolicies, NoEvict, and all about waiting and advice. Fields that
// cannot change while the Manager lives keep their values: LockKeys, ItemSizeMax, Settle, and those
// about statistics, the journal, the cluster and the log. So does MemoryLimit, for which there is
// SetMemoryLimit.
//
// What has begun goes on: holds, waits, closed locks, and fills. A fill whose policy has gone ends as
// ever, when the key is stored or nobody is left who is held for it. But whoever asks from now on is
// told a miss, and what was kept to be served stale is gone.
func (m *Manager) Reconfigure(c Config) {
	m.change.Lock()
	defer m.change.Unlock()
	c.setDefaults()
	old := m.config()
	was := m.fixed
	c.LockKeys, c.ItemSizeMax, c.Settle, c.MemoryLimit = was.LockKeys, was.ItemSizeMax, was.Settle, was.MemoryLimit
	c.StatsKeys, c.StatsClasses, c.NamedClasses, c.ClassDelimiter = was.StatsKeys, was.StatsClasses, was.NamedClasses, was.ClassDelimiter
	c.Recent = was.Recent
	c.Journal, c.Owned, c.Withdraw, c.Logger = was.Journal, was.Owned, was.Withdraw, was.Logger
	e := newEffect(c, old.fills)
	if old.fills == nil && e.fills != nil {
		m.makeFillings(e)
	}
	m.live.Store(e)
}

// makeFillings prepares all shards for the first policies for fills, before those are in effect: who
// sees policies while a shard is locked finds that its fillings have been there since it was locked.
func (m *Manager) makeFillings(e *effect) {
	for _, sh := range m.shards {
		sh.mu.Lock()
		sh.fillings = newFillings(e.fills, e.StatsKeys/len(m.shards))
		sh.mu.Unlock()
	}
}
