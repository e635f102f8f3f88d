package processes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// crashRounds is how often the server is killed in each mode: LOCKCACHED_CRASHES, or a few
// times.
func crashRounds(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("LOCKCACHED_CRASHES")); err == nil {
		return n
	}
	if testing.Short() {
		return 3
	}
	return 20
}

// TestCrashes kills the server again and again while gomemcache clients take locks, wait
// for them, renew them and give them back. No grant that a client has seen is forgotten or
// given twice, no release is undone, no lease is shortened, and tokens rise.
func TestCrashes(t *testing.T) {
	for _, mode := range []string{"always", "interval", "never"} {
		t.Run(mode, func(t *testing.T) {
			crashAgainAndAgain(t, mode, crashRounds(t), func(*harness.Process) {
				time.Sleep(time.Duration(20+rand.IntN(150)) * time.Millisecond) // any moment will do
			})
		})
	}
}

// TestCrashesOnAFullDisk does the same with a disk that is full now and then, even when the
// server is killed. A request that was answered with an error may have been carried out,
// except for a claim: it gives nobody a hold.
func TestCrashesOnAFullDisk(t *testing.T) {
	for _, mode := range []string{"always", "interval", "never"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // most of it is waiting until the server tries again
			crashAgainAndAgain(t, mode, max(2, crashRounds(t)/4), func(server *harness.Process) {
				for range 1 + rand.IntN(3) {
					time.Sleep(time.Duration(20+rand.IntN(100)) * time.Millisecond)
					fillDisk(t, server, rand.IntN(2)*rand.IntN(100_000)) // in the middle of a write, perhaps
					time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
					if rand.IntN(2) == 0 {
						emptyDisk(t, server)
						time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
					}
				}
				fillDisk(t, server, 0)
				waitUntilFull(t, server)
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			})
		})
	}
}

// crashAgainAndAgain lets clients work until disturb returns, and then kills the server
// and starts it again.
func crashAgainAndAgain(t *testing.T, mode string, rounds int, disturb func(*harness.Process)) {
	flags := []string{"--data", filepath.Join(t.TempDir(), "data"), "--fsync", mode}
	server := start(t, flags...)
	flags = append(flags, "-p", server.Port())
	l := newLedger(t)
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() { l.work(ctx, server.Address(), fmt.Sprintf("%d-%d", round, i)) })
		}
		disturb(server)
		server.Kill()
		cancel()
		clients.Wait()
		server = start(t, flags...)
		l.audit(server.Address())
		if t.Failed() {
			server.Kill()
			t.Fatalf("in round %d\n%s", round, server.Log())
		}
	}
	t.Logf("%d grants, %d renewals, %d releases were answered, %d requests refused", l.grants, l.renewals, l.releases, l.unkept)
	server.Stop()
}

// ledger is what the clients know about the locks.
type ledger struct {
	t *testing.T

	mu                         sync.Mutex // guards what follows
	entries                    map[string]*entry
	token                      uint64 // the largest that a client has seen
	grants, renewals, releases int
	unkept                     int // requests that the journal refused
}

// entry is what they know about one lock.
type entry struct {
	holder string          // for certain, as long as it has not asked to release
	token  uint64          // of the holder's grant; 0 if it could not find out
	ends   time.Time       // the lease ends no sooner than that
	maybe  map[string]bool // clients that may hold it: they asked, and were not answered
}

const crashLocks = 5

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, entries: make(map[string]*entry)}
	for i := range crashLocks {
		l.entries[fmt.Sprint("lock:", i)] = &entry{maybe: make(map[string]bool)}
	}
	return l
}

// work takes locks and gives them back until the server is gone.
func (l *ledger) work(ctx context.Context, address, name string) {
	client := memcache.New(address)
	client.Timeout = testenv.Patience
	defer client.Close()
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprint("lock:", rand.IntN(crashLocks))
		if !l.hold(client, key, fmt.Sprintf("%s-%d", name, i)) {
			return
		}
	}
}

const (
	crashLease = time.Hour
	longer     = 2 * time.Hour
)

// hold takes a lock, perhaps renews it, and gives it back. It reports false if the server
// did not answer, or if the client goes away while it holds the lock.
func (l *ledger) hold(client *memcache.Client, key, me string) bool {
	claimed, before := time.Now(), l.claims(key, me)
	name := key
	if rand.IntN(2) == 0 {
		name = "lockcached:wait=50ms:" + key
	}
	err := client.Add(item(name, me, int32(crashLease.Seconds())))
	switch {
	case errors.Is(err, memcache.ErrNotStored), l.isUnkept(err):
		l.refused(key, me)
		return true
	case err != nil:
		return false
	}
	l.granted(key, me, claimed.Add(crashLease))
	if read, err := client.Get("lockcached:lock:" + key); err == nil {
		l.sawToken(key, me, before, pairs(string(read.Value)))
	}
	if touched := time.Now(); rand.IntN(3) == 0 && client.Touch(key, int32(longer.Seconds())) == nil {
		l.renewed(key, touched.Add(longer))
	}
	if rand.IntN(100) == 0 {
		return false
	}
	l.releasing(key, me)
	if err := client.Delete(key); err != nil {
		return l.isUnkept(err)
	}
	l.released(key, me)
	return true
}

// isUnkept reports whether a request was refused because the journal could not be written,
// and counts it.
func (l *ledger) isUnkept(err error) bool {
	if err == nil || !strings.Contains(err.Error(), "SERVER_ERROR cannot write the journal") {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unkept++
	return true
}

// claims notes that a client asks for a lock. It returns the largest token so far.
func (l *ledger) claims(key, me string) (token uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key].maybe[me] = true
	return l.token
}

func (l *ledger) refused(key, me string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries[key].maybe, me)
}

func (l *ledger) granted(key, me string, ends time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e.holder != "" {
		l.t.Errorf("%s is granted to %s while %s holds it", key, me, e.holder)
	}
	delete(e.maybe, me)
	e.holder, e.token, e.ends = me, 0, ends
	l.grants++
}

// sawToken notes the token of a grant, which must be larger than all that were seen before
// the lock was asked for.
func (l *ledger) sawToken(key, me string, before uint64, fields map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token, _ := strconv.ParseUint(fields["token"], 10, 64)
	if fields["owner"] != me || token <= before {
		l.t.Errorf("%s was granted to %s, is %q's; token %d after %d", key, me, fields["owner"], token, before)
	}
	l.entries[key].token = token
	l.token = max(l.token, token)
}

func (l *ledger) renewed(key string, ends time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[key].ends = ends
	l.renewals++
}

func (l *ledger) releasing(key, me string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	e.holder = ""
	e.maybe[me] = true
}

func (l *ledger) released(key, me string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries[key].maybe, me)
	l.releases++
}

// audit checks what a server that has just started knows, and frees all locks.
func (l *ledger) audit(address string) {
	client := memcache.New(address)
	client.Timeout = testenv.Patience
	defer client.Close()
	for key, e := range l.entries {
		read, err := client.Get("lockcached:lock:" + key)
		if err != nil {
			l.t.Error(err)
			continue
		}
		e.compare(l.t, key, pairs(string(read.Value)))
		if err := client.Delete(key); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
			l.t.Error(err)
		}
		e.holder = ""
		clear(e.maybe)
	}
}

func (e *entry) compare(t *testing.T, key string, found map[string]string) {
	owner := strings.Trim(found["owner"], "-")
	switch {
	case e.holder == "" && owner != "" && !e.maybe[owner]:
		t.Errorf("%s is %q's, who gave it back or never had it", key, owner)
	case e.holder == "":
		return
	case owner != e.holder:
		t.Errorf("%s is %q's, was granted to %s", key, owner, e.holder)
	case e.token != 0 && found["token"] != fmt.Sprint(e.token):
		t.Errorf("%s has token %s, had %d", key, found["token"], e.token)
	}
	ttl, _ := strconv.ParseFloat(found["ttl_ms"], 64)
	if left := time.Duration(ttl * float64(time.Millisecond)); time.Now().Add(left).Before(e.ends) {
		t.Errorf("%s ends %v too early", key, e.ends.Sub(time.Now().Add(left)))
	}
}

// pairs reads words of the form name=value.
func pairs(line string) map[string]string {
	found := make(map[string]string)
	for word := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(word, "=")
		found[name] = value
	}
	return found
}
