//go:build timedmutex && linux

package locks

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// mutex is one that remembers for how long it was locked each time. It counts processor time, since
// the system may stop a thread at any moment.
type mutex struct {
	sync.Mutex
	since time.Duration
	took  []time.Duration // nil if nobody wants to know
}

func (m *mutex) Lock() {
	m.Mutex.Lock()
	m.since = threadTime()
}

func (m *mutex) Unlock() {
	if m.took != nil {
		m.took = append(m.took, threadTime()-m.since)
	}
	m.Mutex.Unlock()
}

func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
