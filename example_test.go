package main_test

import "github.com/bradfitz/gomemcache/memcache"

// The README shows these functions.

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
