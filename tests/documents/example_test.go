package documents_test

import (
	"strconv"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// docs/go.md shows these functions.

// makeReport does the work unless somebody else is at it; me is who we are.
func makeReport(mc *memcache.Client, me string, work func()) error {
	// Wait in line for up to 2 s. The lock lasts 30 s at most.
	err := mc.Add(&memcache.Item{Key: "lockcached:wait=2s:lock:report", Value: []byte(me), Expiration: 30})
	if err != nil {
		return err // memcache.ErrNotStored: somebody else has the lock
	}
	work()
	return unlock(mc, "lock:report", me)
}

// unlock ends our hold, and never somebody else's.
func unlock(mc *memcache.Client, key, me string) error {
	lock, err := mc.Get(key)
	if err != nil || string(lock.Value) != me {
		return err // memcache.ErrCacheMiss: the 30 s were over
	}
	lock.Expiration = -1
	return mc.CompareAndSwap(lock)
}

// poll takes the lock without waiting in line: refused, it comes back when the
// server advises to.
func poll(mc *memcache.Client, key, me string, tries int) error {
	err := mc.Add(&memcache.Item{Key: key, Value: []byte(me), Expiration: 30})
	for ; err == memcache.ErrNotStored && tries > 0; tries-- {
		advice, e := mc.Get("lockcached:retry:" + key)
		if e != nil {
			return e
		}
		ms, _ := strconv.Atoi(string(advice.Value)) // 0: it is free by now
		time.Sleep(time.Duration(ms) * time.Millisecond)
		err = mc.Add(&memcache.Item{Key: key, Value: []byte(me), Expiration: 30})
	}
	return err
}
