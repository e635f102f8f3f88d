package locks

import (
	"time"

	"github.com/lockcached/lockcached/stats"
)

// closedLock is a lock that nobody holds and nobody is to be granted yet: for its
// lock-delay after a hold that ended abnormally, so that a holder who has not
// noticed comes to rest; or because the server has just started, and holders from
// before may be at work. Claims on it are refused, or wait in line, as if it were
// held. It is no item: whoever reads the key finds nothing.
type closedLock struct {
	key   string
	until time.Duration
	index int32 // in shard.reopenings
}

// SetIndex is for the heap of reopenings.
func (c *closedLock) SetIndex(i int32) { c.index = i }

// LockDelay keeps locks whose keys match closed for some time after a hold that
// ended by expiry or withdrawal.
type LockDelay struct {
	Pattern string // as in Config.LockKeys
	Delay   time.Duration
}

// lockDelay is a LockDelay with its pattern understood.
type lockDelay struct {
	Pattern
	delay time.Duration
}

func newLockDelays(configured []LockDelay) (delays []lockDelay) {
	for _, d := range configured {
		if p, err := NewPattern(d.Pattern); err == nil {
			delays = append(delays, lockDelay{p, d.Delay})
		}
	}
	return delays
}

// closeAfter closes the lock of an item that is about to go, if its hold ends
// abnormally and there is a delay for that.
func (sh *shard) closeAfter(it *item, why ending, now time.Duration) {
	if why != expiry && why != withdrawal {
		return
	}
	for i := range sh.m.delays {
		if d := &sh.m.delays[i]; d.Match(it.Key()) {
			if d.delay > 0 {
				sh.close(string(it.Key()), expiresAt(d.delay, now))
			}
			return
		}
	}
}

// close keeps a lock closed until then, or longer if it was to be.
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
	sh.reopenings.Push(c, until)
	sh.m.dueAt(until)
}

// isClosed reports whether a claim on a lock that nobody holds is not to be granted.
// While the server settles a lock is closed when it is first claimed.
func (sh *shard) isClosed(c *Put, now time.Duration) bool {
	settling := now < sh.m.settled
	if !settling && len(sh.closed) == 0 || !sh.isClaim(c) {
		return false
	}
	if settling {
		sh.close(string(c.Key), sh.m.settled)
	}
	return sh.closed[stringOf(c.Key)] != nil
}

// openDue opens the lock of the key if it has been closed for long enough.
func (sh *shard) openDue(key []byte, now time.Duration) {
	if c := sh.closed[stringOf(key)]; c != nil && c.until <= now {
		sh.open(c, now)
	}
}

// open ends the time for which a lock is closed: the first in line gets it. If there
// is an ordinary item under its key by now, that is waited for.
func (sh *shard) open(c *closedLock, now time.Duration) {
	sh.reopenings.Remove(c.index)
	delete(sh.closed, c.key)
	if l := sh.lines[c.key]; l != nil && sh.itemOf(c.key) == nil {
		sh.succeed(l, now)
	}
}

// adopt lets those who wait for a closed lock wait for the ordinary item that was
// just stored under its key.
func (sh *shard) adopt(it *item) {
	if l := sh.lines[stringOf(it.Key())]; l != nil {
		it.Attached.line = l
		if l.Queue.Len() > 0 {
			sh.table.Hurry(it)
		}
	}
}

// closedFor is how much longer the lock of the key is closed, and the server refuses
// all grants.
func (sh *shard) closedFor(key []byte, now time.Duration) (delay, settling time.Duration) {
	settling = max(0, sh.m.settled-now)
	if c := sh.closed[stringOf(key)]; c != nil && c.until > sh.m.settled {
		delay = max(0, c.until-now)
	}
	return delay, settling
}

// retryClosed is when to ask again for a lock that nobody holds: 0 if it is open.
func (sh *shard) retryClosed(key []byte, now time.Duration) time.Duration {
	delay, settling := sh.closedFor(key, now)
	wait := max(delay, settling)
	if wait == 0 {
		return 0
	}
	return time.Duration(stats.RetryMs(now, now+wait, sh.m.config.RetryMax)) * time.Millisecond
}

// Settling is for how much longer no grants are given.
func (m *Manager) Settling() time.Duration { return max(0, m.settled-m.now()) }
