package locks

import (
	"testing"
	"time"
)

// TestReconfigure: policies and bounds change, and what can only be set at the start stays.
func TestReconfigure(t *testing.T) {
	m := NewManager(Config{MaxWaiters: 5, StatsKeys: 100, Settle: time.Minute, MemoryLimit: 1 << 20})
	m.Reconfigure(Config{MaxWaiters: 6, RetryRate: 7, NoEvict: true, StatsKeys: 200, ItemSizeMax: 2048, MemoryLimit: 2 << 20})
	c := m.Config()
	if c.MaxWaiters != 6 || c.RetryRate != 7 || !c.NoEvict || c.MaxWait != DefaultMaxWait {
		t.Errorf("not changed: %+v", c)
	}
	if c.StatsKeys != 100 || c.ItemSizeMax != DefaultItemSizeMax || c.Settle != time.Minute || c.MemoryLimit != 1<<20 {
		t.Errorf("changed: %+v", c)
	}
}
