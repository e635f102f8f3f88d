//go:build !timedmutex || !linux

package locks

import "sync"

// mutex is a shard's. With the build tag timedmutex it measures for how long it is locked: see
// BenchmarkLongestLocked.
type mutex = sync.Mutex
