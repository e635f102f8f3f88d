// Gomemcached plays the commands of couchbase/gomemcached, which are binary, against the server at HOST PORT, and ends with
// an error at the first surprise. SERVER is memcached, or lockcached, which is asked for more. With $MEMCACHE_USERNAME and
// $MEMCACHE_PASSWORD it logs in.
//
//	gomemcached HOST PORT SERVER
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/couchbase/gomemcached"
	memcached "github.com/couchbase/gomemcached/client"

	"goclients/check"
)

// A client has one connection, and by default no timeout.
func connect() *memcached.Client {
	client, err := memcached.Connect("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	if user := os.Getenv("MEMCACHE_USERNAME"); user != "" {
		answer := status(client.Auth(user, os.Getenv("MEMCACHE_PASSWORD")))
		check.Is("authentication", answer, gomemcached.SUCCESS)
	}
	return client
}

// status is that of an answer, which the client returns as an error, too, unless it is success.
func status(answer *gomemcached.MCResponse, err error) gomemcached.Status {
	if answer == nil {
		log.Fatal(err)
	}
	return answer.Status
}

func get(mc *memcached.Client, key string) string {
	answer, err := mc.Get(0, key)
	if err != nil {
		log.Fatalf("get %s: %v", key, err)
	}
	return string(answer.Body)
}

func add(mc *memcached.Client, key, value string, expiration int) (cas uint64, status gomemcached.Status) {
	answer, err := mc.Add(0, key, 0, expiration, []byte(value))
	if answer == nil {
		log.Fatal(err)
	}
	return answer.Cas, answer.Status
}

// deleteCas ends a hold only if it is one's own.
func deleteCas(mc *memcached.Client, key string, cas uint64) gomemcached.Status {
	return status(mc.Send(&gomemcached.MCRequest{Opcode: gomemcached.DELETE, Key: []byte(key), Cas: cas}))
}

func store(mc *memcached.Client) {
	check.Is("get of nothing", status(mc.Get(0, "k")), gomemcached.KEY_ENOENT)
	check.Is("append to nothing", status(mc.Append(0, "k", []byte("x"))), gomemcached.NOT_STORED)
	check.Is("set", status(mc.Set(0, "k", math.MaxUint32, 0, []byte("a\r\n\x00\xff"))), gomemcached.SUCCESS)
	check.Is("add of what is there", status(mc.Add(0, "k", 0, 0, []byte("x"))), gomemcached.KEY_EEXISTS)
	check.Is("append", status(mc.Append(0, "k", []byte("b"))), gomemcached.SUCCESS)
	answer, err := mc.Get(0, "k")
	check.Is("get", err, nil)
	check.Is("its value and flags", fmt.Sprintf("%q %x", answer.Body, answer.Extras), `"a\r\n\x00\xffb" ffffffff`)
	check.Is("set of an empty value", status(mc.Set(0, "k", 0, 0, nil)), gomemcached.SUCCESS)
	check.Is("get", get(mc, "k"), "")
	large := strings.Repeat("x", 1_000_000)
	check.Is("set of a large value", status(mc.Set(0, "large", 0, 0, []byte(large))), gomemcached.SUCCESS)
	check.Is("get", get(mc, "large"), large)
	check.Is("set of what is too large", status(mc.Set(0, "large", 0, 0, make([]byte, 1<<20))), gomemcached.E2BIG)
	check.Is("delete", status(mc.Del(0, "k")), gomemcached.SUCCESS)
	check.Is("delete of nothing", status(mc.Del(0, "k")), gomemcached.KEY_ENOENT)
}

// storeMany reads with many gets and a noop that are on their way at once, and tells the answers apart by their opaques.
func storeMany(mc *memcached.Client) {
	var keys []string
	for i := range 1000 {
		key := fmt.Sprint("m", i)
		keys = append(keys, key)
		if i%2 == 0 {
			check.Is("set", status(mc.Set(0, key, 0, 0, []byte(key))), gomemcached.SUCCESS)
		}
	}
	found := make(map[string]*gomemcached.MCResponse)
	check.Is("get of many", mc.GetBulk(0, keys, found, nil), nil)
	check.Is("those found", len(found), len(keys)/2)
	for key, answer := range found {
		check.Is("get of many", string(answer.Body), key)
	}
}

func compareAndSwap(mc *memcached.Client) {
	first, err := mc.Set(0, "k", 0, 0, []byte("a"))
	check.Is("set", err, nil)
	second, err := mc.SetCas(0, "k", 0, 0, first.Cas, []byte("b"))
	check.Is("set with the id that set returned", err, nil)
	check.Is("ids rise", second.Cas > first.Cas, true)
	check.Is("set with an old id", status(mc.SetCas(0, "k", 0, 0, first.Cas, []byte("c"))), gomemcached.KEY_EEXISTS)
	check.Is("set of nothing with an id", status(mc.SetCas(0, "nothing", 0, 0, first.Cas, []byte("c"))), gomemcached.KEY_ENOENT)
	calls := 0
	_, err = mc.CAS(0, "k", func(current []byte) ([]byte, memcached.CasOp) {
		if calls++; calls == 1 { // somebody else comes first
			check.Is("set", status(mc.Set(0, "k", 0, 0, []byte("d"))), gomemcached.SUCCESS)
		}
		return append(current, 'e'), memcached.CASStore
	}, 0)
	check.Is("a transformation", err, nil)
	check.Is("its calls and result", fmt.Sprint(calls, get(mc, "k")), "2de")
	_, err = mc.CAS(0, "k", func([]byte) ([]byte, memcached.CasOp) { return nil, memcached.CASDelete }, 0)
	check.Is("one that deletes", err, nil)
	check.Is("get", status(mc.Get(0, "k")), gomemcached.KEY_ENOENT)
}

func count(mc *memcached.Client) {
	steps := []struct {
		change            func(vb uint16, key string, by, initial uint64, exp int, _ ...*memcached.ClientContext) (uint64, error)
		by, initial, want uint64
	}{
		{mc.Incr, 5, math.MaxUint64 - 1, math.MaxUint64 - 1},
		{mc.Incr, 1, 0, math.MaxUint64},
		{mc.Incr, 6, 0, 5},
		{mc.Decr, 2, 0, 3},
		{mc.Decr, 9, 0, 0},
	}
	for _, step := range steps {
		n, err := step.change(0, "n", step.by, step.initial, 0)
		check.Is("increment or decrement", []any{n, err}, []any{step.want, nil})
	}
	_, err := mc.Incr(0, "nothing", 1, 0, 0xffffffff)
	check.Is("increment that must not create", gomemcached.IsNotFound(err), true)
	check.Is("set", status(mc.Set(0, "n", 0, 0, []byte("word"))), gomemcached.SUCCESS)
	_, err = mc.Incr(0, "n", 1, 0, 0)
	check.Is("increment of a word", err.(*gomemcached.MCResponse).Status, gomemcached.DELTA_BADVAL)
}

func lock(alice, bob *memcached.Client) {
	token, answer := add(alice, "lock:job", "alice", 30)
	check.Is("add", answer, gomemcached.SUCCESS)
	_, answer = add(bob, "lock:job", "bob", 30)
	check.Is("add of a held lock", answer, gomemcached.KEY_EEXISTS)
	check.Is("delete with another id", deleteCas(bob, "lock:job", token+1), gomemcached.KEY_EEXISTS)
	check.Is("it is held still", get(bob, "lock:job"), "alice")
	renewed, err := alice.SetCas(0, "lock:job", 0, 60, token, []byte("alice"))
	check.Is("renewal", err, nil)
	got, err := alice.GetAndTouch(0, "lock:job", 90)
	check.Is("get and touch", err, nil)
	check.Is("the id after it", got.Cas, renewed.Cas)
	check.Is("delete with the id before the renewal", deleteCas(alice, "lock:job", token), gomemcached.KEY_EEXISTS)
	check.Is("delete with the id after it", deleteCas(alice, "lock:job", renewed.Cas), gomemcached.SUCCESS)
	later, answer := add(bob, "lock:job", "bob", 30)
	check.Is("add when it is free", answer, gomemcached.SUCCESS)
	check.Is("ids rise", later > renewed.Cas, true)
	check.Is("delete of a hold that is over", deleteCas(alice, "lock:job", renewed.Cas), gomemcached.KEY_EEXISTS)
	_, answer = add(alice, "short", "alice", 1)
	check.Is("a lock that expires", answer, gomemcached.SUCCESS)
	check.Eventually("it has expired", func() bool {
		_, answer := add(bob, "short", "bob", 30)
		return answer == gomemcached.SUCCESS
	})
}

func exclude() {
	check.Exclusion(func() (claim func() bool, end func(), read func() int, write func(int)) {
		mine := connect()
		var token uint64
		claim = func() bool {
			var answer gomemcached.Status
			token, answer = add(mine, "lock:total", "mine", 60)
			return answer == gomemcached.SUCCESS
		}
		end = func() { check.Is("the end of the lock", deleteCas(mine, "lock:total", token), gomemcached.SUCCESS) }
		read = func() int {
			n, _ := strconv.Atoi(get(mine, "total"))
			return n
		}
		write = func(n int) {
			check.Is("set", status(mine.Set(0, "total", 0, 0, []byte(strconv.Itoa(n)))), gomemcached.SUCCESS)
		}
		return claim, end, read, write
	})
}

func administer(mc *memcached.Client) {
	told, err := mc.StatsMap("")
	check.Is("stats", err, nil)
	check.Is("the version", strings.HasPrefix(told["version"], "1.6."), true)
	told, err = mc.StatsMap("settings")
	check.Is("stats of the settings", err, nil)
	check.Is("the most connections", told["maxconns"], "1024")
	extras := binary.BigEndian.AppendUint32(nil, 0)
	check.Is("flush", status(mc.Send(&gomemcached.MCRequest{Opcode: gomemcached.FLUSH, Extras: extras})), gomemcached.SUCCESS)
	check.Is("get after it", status(mc.Get(0, "large")), gomemcached.KEY_ENOENT)
	check.Is("healthy", mc.IsHealthy(), true)
	check.Is("close", mc.Close(), nil)
}

// waitInLine is what only lockcached can do: a claim that waits, keys and stats that tell of a lock.
func waitInLine(alice, bob *memcached.Client) {
	token, _ := add(alice, "lock:line", "alice", 60)
	served := make(chan uint64, 1)
	go func() {
		token, _ := add(bob, "lockcached:wait=5m:lock:line", "bob", 60)
		served <- token
	}()
	check.Eventually("bob waits", func() bool {
		return strings.Contains(get(alice, "lockcached:lock:lock:line"), " queued=1 ")
	})
	check.Is("delete hands the lock over", deleteCas(alice, "lock:line", token), gomemcached.SUCCESS)
	check.Is("a later token", <-served > token, true)
	told, err := alice.StatsMap("lock lock:line")
	check.Is("stats of the lock", err, nil)
	check.Is("its holder", told["held"]+" "+told["owner"]+" "+told["handed_off"], "1 bob 1")
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
	administer(mc)
}
