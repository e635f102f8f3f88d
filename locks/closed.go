package locks

import (
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/stats"
)

// closedLock is a lock that nobody holds and that may not be granted yet: for its
// lock-delay after a hold that ended abnormally, so that a holder that has not noticed
// can stop. Claims on it are refused, or wait in line, as if it were held. It is not an
// item: a read of the key finds nothing.
//
// While the server settles, every lock that nobody holds is closed: holders from before
// the start may be at work. That takes a closedLock only where claims are queued, so that
// they are served when it is over.
type closedLock struct {
	key   string
	until time.Duration
	index int32 // in shard.reopenings
}

// size is the memory of the closed lock, in bytes, with its entries in a map and a heap.
// It is less than the item before it took: a lock can be closed even if memory is full.
func (c *closedLock) size() int64 {
	return int64(unsafe.Sizeof(*c)) + keySize(c.key) + mapEntryBytes + heapEntryBytes
}

// The size, in bytes, of an entry in a map from keys to pointers, with the slack of a structure
// that grows by doubling, and of one in a heap: a time and up to two pointers.
const (
	mapEntryBytes  = 40
	heapEntryBytes = 24
)

// keySize is the memory, in bytes, of a key that is allocated by itself: the allocator
// rounds up.
func keySize(key string) int64 { return int64(len(key)+15) &^ 15 }

// SetIndex is for the heap of reopenings.
func (c *closedLock) SetIndex(i int32) { c.index = i }

// LockDelay keeps locks whose keys match closed for some time after a hold that
// ended by expiry or withdrawal.
type LockDelay struct {
	Pattern Pattern
	Delay   time.Duration
}

// closeAfter closes the lock of an item that is about to go, if its hold ends
// abnormally and there is a delay for that.
func (sh *shard) closeAfter(it *item, why ending, now time.Duration) {
	if why != expiry && why != withdrawal {
		return
	}
	delays := sh.m.config().LockDelays
	for i := range delays {
		if d := &delays[i]; d.Pattern.Match(it.Key()) {
			if until := expiresAt(d.Delay, now); until > max(now, sh.m.settled) {
				sh.close(string(it.Key()), until)
			}
			return
		}
	}
}

// close keeps a lock closed until then, or for longer if it was closed for longer before.
func (sh *shard) close(key string, until time.Duration) {
	if c := sh.closed[key]; c != nil {
		if until > c.until {
			c.until = until
			sh.reopenings.Move(c.index, until)
		}
		return
	}
	c := &closedLock{key: key, until: until}
	sh.closed[key] = c
	sh.closedBytes += c.size()
	sh.reopenings.Push(c, until)
	sh.m.dueAt(until)
}

// isClosed reports whether a claim on a lock that nobody holds must not be granted.
func (sh *shard) isClosed(c *Put, now time.Duration) bool {
	if !sh.settling(now) && (len(sh.closed) == 0 || sh.closed[stringOf(c.Key)] == nil) {
		return false
	}
	return sh.m.isClaim(c)
}

// settling reports whether all locks that nobody holds are closed because the server has
// just started.
func (sh *shard) settling(now time.Duration) bool { return now < sh.m.settled }

// staysClosed reports whether a lock that nobody holds any more must not be handed over
// yet. While the server settles, it closes the lock so that queued claims are served
// afterwards.
func (sh *shard) staysClosed(l *line, now time.Duration) bool {
	if sh.settling(now) && l.Queue.Len() > 0 {
		sh.close(l.key, sh.m.settled)
	}
	return sh.closed[l.key] != nil
}

// openDue opens the lock of the key if it has been closed for long enough.
func (sh *shard) openDue(key []byte, now time.Duration) {
	if c := sh.closed[stringOf(key)]; c != nil && c.until <= now {
		sh.open(c, now)
	}
}

// open reopens a closed lock: the first in line gets it. If there is an ordinary item
// under its key by now, the line waits for that item.
func (sh *shard) open(c *closedLock, now time.Duration) {
	sh.forgetClosed(c)
	if l := sh.lines[c.key]; l != nil && sh.itemOf(c.key) == nil {
		sh.succeed(l, now)
	}
}

func (sh *shard) forgetClosed(c *closedLock) {
	sh.reopenings.Remove(c.index)
	delete(sh.closed, c.key)
	sh.closedBytes -= c.size()
	sh.settle(settleStep)
}

// adopt makes the line of a closed lock wait for the ordinary item that was just stored
// under its key.
func (sh *shard) adopt(it *item) {
	if l := sh.lines[stringOf(it.Key())]; l != nil {
		it.Tag = l.number
		if l.Queue.Len() > 0 {
			sh.table.Hurry(it)
		}
	}
}

// closedFor returns how much longer the lock of the key is closed by its lock-delay, and
// how much longer the server refuses all grants.
func (sh *shard) closedFor(key []byte, now time.Duration) (delay, settling time.Duration) {
	settling = max(0, sh.m.settled-now)
	if c := sh.closed[stringOf(key)]; c != nil && c.until > sh.m.settled {
		delay = max(0, c.until-now)
	}
	return delay, settling
}

// retryClosed is how long to wait before asking again for a lock that nobody holds: 0 if
// it is open.
func (sh *shard) retryClosed(key []byte, now time.Duration) time.Duration {
	delay, settling := sh.closedFor(key, now)
	wait := max(delay, settling)
	if wait == 0 {
		return 0
	}
	return time.Duration(stats.RetryMs(now, now+wait, sh.m.config().RetryMax)) * time.Millisecond
}

// Settling returns how much longer the server grants no lock after its start.
func (m *Manager) Settling() time.Duration { return max(0, m.settled-m.now()) }
