// Rainycape plays the commands of rainycape/memcache, a sister of gomemcache that speaks the binary protocol, against the
// server at HOST PORT, and ends with an error at the first surprise. SERVER is memcached, or lockcached, which is asked for
// more.
//
//	rainycape HOST PORT SERVER
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/rainycape/memcache"

	"goclients/check"
)

func connect() *memcache.Client {
	client, err := memcache.New(net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	client.SetTimeout(check.Patience) // the only option that is not its default
	return client
}

func item(key, value string, expiration int32) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value), Expiration: expiration}
}

func get(mc *memcache.Client, key string) string {
	got, err := mc.Get(key)
	if err != nil {
		log.Fatalf("get %s: %v", key, err)
	}
	return string(got.Value)
}

func store(mc *memcache.Client) {
	_, err := mc.Get("k")
	check.Is("get of nothing", err, memcache.ErrCacheMiss)
	check.Is("set", mc.Set(&memcache.Item{Key: "k", Value: []byte("a\r\n\x00\xff"), Flags: math.MaxUint32}), nil)
	got, err := mc.Get("k")
	check.Is("get", err, nil)
	check.Is("its value and flags", fmt.Sprintf("%q %d", got.Value, got.Flags), `"a\r\n\x00\xff" 4294967295`)
	check.Is("add of what is there", mc.Add(item("k", "x", 0)), memcache.ErrNotStored)
	check.Is("set of an empty value", mc.Set(item("k", "", 0)), nil)
	check.Is("get", get(mc, "k"), "")
	large := bytes.Repeat([]byte{'x'}, 1_000_000)
	check.Is("set of a large value", mc.Set(&memcache.Item{Key: "large", Value: large}), nil)
	check.Is("get", get(mc, "large"), string(large))
	err = mc.Set(&memcache.Item{Key: "large", Value: make([]byte, 1<<20)})
	check.Is("set of what is too large", fmt.Sprint(err), "value too large")
	check.Is("delete", mc.Delete("k"), nil)
	check.Is("delete of nothing", mc.Delete("k"), memcache.ErrCacheMiss)
}

// storeMany reads with quiet gets and a noop.
func storeMany(mc *memcache.Client) {
	var keys []string
	for i := range 1000 {
		key := fmt.Sprint("m", i)
		keys = append(keys, key)
		if i%2 == 0 {
			check.Is("set", mc.Set(item(key, key, 0)), nil)
		}
	}
	found, err := mc.GetMulti(keys)
	check.Is("get of many", err, nil)
	check.Is("those found", len(found), len(keys)/2)
	for key, item := range found {
		check.Is("get of many", string(item.Value), key)
	}
}

func compareAndSwap(mc *memcache.Client) {
	check.Is("set", mc.Set(item("k", "a", 0)), nil)
	mine, _ := mc.Get("k")
	other, _ := mc.Get("k")
	mine.Value, other.Value = []byte("mine"), []byte("other")
	check.Is("cas", mc.CompareAndSwap(mine), nil)
	check.Is("cas that is late", mc.CompareAndSwap(other), memcache.ErrNotStored)
	check.Is("get", get(mc, "k"), "mine")
	check.Is("delete", mc.Delete("k"), nil)
	check.Is("cas of nothing", mc.CompareAndSwap(other), memcache.ErrCacheMiss)
}

func count(mc *memcache.Client) {
	_, err := mc.Increment("n", 1)
	check.Is("increment of nothing", err, memcache.ErrCacheMiss)
	check.Is("set", mc.Set(item("n", "18446744073709551614", 0)), nil)
	steps := []struct {
		change   func(string, uint64) (uint64, error)
		by, want uint64
	}{
		{mc.Increment, 1, math.MaxUint64},
		{mc.Increment, 6, 5},
		{mc.Decrement, 2, 3},
		{mc.Decrement, 9, 0},
	}
	for _, step := range steps {
		n, err := step.change("n", step.by)
		check.Is("increment or decrement", []any{n, err}, []any{step.want, nil})
	}
	check.Is("set", mc.Set(item("n", "word", 0)), nil)
	_, err = mc.Increment("n", 1)
	check.Is("increment of a word", err, memcache.ErrBadIncrDec)
}

func lock(alice, bob *memcache.Client) {
	check.Is("add", alice.Add(item("lock:job", "alice", 30)), nil)
	check.Is("add of a held lock", bob.Add(item("lock:job", "bob", 30)), memcache.ErrNotStored)
	check.Is("its holder", get(bob, "lock:job"), "alice")
	hold, _ := alice.Get("lock:job")
	hold.Expiration = 60
	check.Is("renewal by cas", alice.CompareAndSwap(hold), nil)
	check.Is("delete", alice.Delete("lock:job"), nil)
	check.Is("add when it is free", bob.Add(item("lock:job", "bob", 30)), nil)
	check.Is("renewal of a hold that is over", alice.CompareAndSwap(hold), memcache.ErrNotStored)
	check.Is("a lock that expires", alice.Add(item("short", "alice", 1)), nil)
	check.Eventually("it has expired", func() bool { return bob.Add(item("short", "bob", 30)) == nil })
}

func exclude() {
	check.Exclusion(func() (claim func() bool, end func(), read func() int, write func(int)) {
		mine := connect()
		claim = func() bool { return mine.Add(item("lock:total", "mine", 60)) == nil }
		end = func() { check.Is("the end of the lock", mine.Delete("lock:total"), nil) }
		read = func() int {
			n, _ := strconv.Atoi(get(mine, "total"))
			return n
		}
		write = func(n int) { check.Is("set", mine.Set(item("total", strconv.Itoa(n), 0)), nil) }
		return claim, end, read, write
	})
}

// waitInLine is what only lockcached can do: a claim that waits, and keys that tell of a lock.
func waitInLine(alice, bob *memcache.Client) {
	check.Is("add", alice.Add(item("lock:line", "alice", 60)), nil)
	served := make(chan error, 1)
	go func() { served <- bob.Add(item("lockcached:wait=5m:lock:line", "bob", 60)) }()
	check.Eventually("bob waits", func() bool {
		return strings.Contains(get(alice, "lockcached:lock:lock:line"), " queued=1 ")
	})
	check.Is("delete", alice.Delete("lock:line"), nil)
	check.Is("bob's claim", <-served, nil)
	check.Is("the holder", get(alice, "lock:line"), "bob")
}

func main() {
	log.SetFlags(0)
	mc := connect()
	store(mc)
	storeMany(mc)
	compareAndSwap(mc)
	count(mc)
	lock(mc, connect())
	exclude()
	if os.Args[3] == "lockcached" {
		waitInLine(mc, connect())
	}
	check.Is("flush", mc.Flush(0), nil)
	_, err := mc.Get("large")
	check.Is("get after it", err, memcache.ErrCacheMiss)
	check.Is("close", mc.Close(), nil)
}
