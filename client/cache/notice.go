package cache

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client"
)

// A value that the server does not store, because it is too large, because memory is
// full of locks, or because it is evicted at once, cannot be waited for. Whoever finds
// out tells the others, or the whole fleet would compute it one process after the other.
// Then each process computes for itself, its goroutines together. Who finds out is one
// that has the lock, so that nobody waits for longer than one computation and a look.
//
// The notice takes the place of the value. If there is no room for that either, it
// takes for a moment the place of our own value in the lock, which needs no more room.
// Those who wait look at both.

const (
	// noticeFor is how long nobody tries again to store a value that cannot be stored.
	noticeFor = 10 * time.Second
	// lockNoticeFor is how long a notice stands in the lock: everybody who waits looks
	// twice within that time. Whoever does not takes the lock, computes and tells again.
	lockNoticeFor = longestLook * 4
	// lockNotice ends the value of such a lock.
	lockNotice = ".not.storable"
)

// notice says that the value cannot be stored.
func (t *task[T]) notice(computed time.Duration) envelope {
	return envelope{computed: computed, freshUntil: time.Now().Add(noticeFor), unstorable: true}
}

// withoutValue is what a reader makes of a notice: nothing if it is over, or if the
// caller does not compute without the lock in any case.
func (t *task[T]) withoutValue(notice envelope) (e entry[T]) {
	if t.config.WaitOver != GiveUp && time.Now().Before(notice.freshUntil) {
		e.envelope = notice
	}
	return e
}

// giveNotice tells the others that what was computed under the lock is not stored.
func (t *task[T]) giveNotice(ctx context.Context, hold *client.Lock, computed time.Duration) {
	t.counts.unstorable.Add(1)
	notice := t.notice(computed)
	if t.put(ctx, &notice, noticeFor) == nil || hold.LeaveNote(ctx, lockNotice, lockNoticeFor) == nil {
		return
	}
	t.unlock(hold)
	if err := t.put(ctx, &notice, noticeFor); err != nil { // there may be room where the lock was
		t.log(slog.LevelWarn, err, "others are not told that the value cannot be stored")
	}
}

// alone computes without the lock a value that cannot be stored.
func (t *task[T]) alone(ctx context.Context) (value T, err error) {
	t.counts.fellThrough.Add(1)
	value, _, err = t.produce(ctx)
	return value, t.conclude("fell through", err)
}

// isNotice reports whether a lock holds a notice.
func isNotice(lock *memcache.Item) bool {
	return lock != nil && strings.HasSuffix(string(lock.Value), lockNotice)
}
