package main_test

import (
	"fmt"

	"github.com/bradfitz/gomemcache/memcache"
)

// The README shows these functions.

// makeReport makes the report unless somebody else does; me is who we are.
func makeReport(mc *memcache.Client, me string) error {
	// Wait in line for up to 2 s. The lock lasts 30 s at most.
	err := mc.Add(&memcache.Item{Key: "lockcached:wait=2s:lock:report", Value: []byte(me), Expiration: 30})
	if err == memcache.ErrNotStored {
		return nil // somebody else is at it
	}
	if err != nil {
		return err
	}
	fmt.Println(me, "makes the report")
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
