//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var crashScenario = &scenario{
	name:  "crash",
	share: 3,
	promise: "The server is killed at random moments under load, in each mode of --fsync, every other time when its disk has " +
		"just become full. After every start each lock is as its client last saw it, or as the request made it that was not " +
		"answered any more, or with an error because the disk was full: same holder, same token, the lease running on; and " +
		"new tokens are above all before. A claim that was answered with an error holds nothing.",
	round: crashRound,
}

// fsyncModes are the values of --fsync. All of them promise to survive a kill.
var fsyncModes = []string{"always", "interval", "never"}

const (
	owners        = 16
	keysPerOwner  = 8
	longestLease  = 1000 * time.Second // so that none ends meanwhile
	shortestLease = 500 * time.Second
)

func crashRound(ctx context.Context, t *trial) (o outcome, err error) {
	for _, mode := range fsyncModes {
		if err := crashMode(ctx, t, mode, &o); err != nil {
			return o, fmt.Errorf("--fsync %s: %w", mode, err)
		}
	}
	return o, nil
}

func crashMode(ctx context.Context, t *trial, mode string, o *outcome) error {
	s, err := t.program.start(ctx, "--data", filepath.Join(t.dir, mode), "--fsync", mode)
	if err != nil {
		return err
	}
	defer func() { s.Stop() }() // by then it may be another process
	var all []*owner
	for i := range owners {
		all = append(all, newOwner(i, t.split()))
	}
	kills := pick(t, 3, 20, 100)
	for i := range kills {
		if err := load(s, s.addr, all, t.rng, i%2 == 1); err != nil {
			return err
		}
		began := time.Now()
		if err := s.again(ctx); err != nil {
			return err
		}
		o.most("longest start, ms", float64(time.Since(began).Milliseconds()))
		for _, fault := range verify(s.addr, all) {
			o.find("--fsync %s: %s", mode, fault)
		}
	}
	o.count("kill -9, --fsync "+mode, kills)
	for _, own := range all {
		o.count("requests answered", own.answered)
		o.count("requests in flight at a kill", own.open)
		o.count("requests refused by a full disk", own.refused)
		for _, fault := range own.faults {
			o.find("--fsync %s: %s", mode, fault)
		}
	}
	return nil
}

// load lets the owners work at that address until the server is killed; if full, for a
// while on a full disk.
func load(s *server, addr string, all []*owner, rng *rand.Rand, full bool) (err error) {
	var wg sync.WaitGroup
	for _, own := range all {
		wg.Go(func() { own.work(addr) })
	}
	time.Sleep(within(rng, 40*time.Millisecond))
	if full {
		err = s.fillDisk()
		time.Sleep(within(rng, 40*time.Millisecond))
	}
	s.crash()
	wg.Wait()
	return err
}

// fillDisk keeps the server from writing to any file, as if there were no space.
func (s *server) fillDisk() error {
	return unix.Prlimit(s.Pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Max: unix.RLIM_INFINITY}, nil)
}

// verify checks all locks after a start and returns what is wrong.
func verify(addr string, all []*owner) (faults []string) {
	highest := uint64(0)
	for _, own := range all {
		highest = max(highest, own.highest)
	}
	conn, err := dial(addr)
	if err != nil {
		return []string{err.Error()}
	}
	defer conn.reset()
	for _, own := range all {
		faults = append(faults, own.verify(conn)...)
	}
	r, err := conn.ask(metaAdd("crash:next", time.Second, "next", ""), answerWithin)
	if err == nil && r.word() == "HD" && r.token() <= highest {
		err = fmt.Errorf("after the start token %d was given, which is not above %d", r.token(), highest)
	}
	if err == nil {
		_, err = conn.ask("delete crash:next\r\n", answerWithin)
	}
	if err != nil {
		faults = append(faults, err.Error())
	}
	return faults
}

// An owner is the only client of its locks, so that it knows what each is like.
type owner struct {
	rng     *rand.Rand
	keys    []string
	locks   map[string]owned
	pending map[string]owned // by lock, what a request makes of it that is under way or was refused
	highest uint64           // token
	writes  int              // values given

	answered, open, refused int
	faults                  []string
}

// owned is what a lock is like for its owner. The zero value is free.
type owned struct {
	value   string
	token   uint64 // 0: not known
	above   uint64 // the token is above it, if not known
	renewed time.Time
	lease   time.Duration
}

func (l owned) String() string {
	switch {
	case l.value == "":
		return "free"
	case l.token == 0:
		return fmt.Sprintf("%s with a token above %d, leased %v for %v", l.value, l.above, l.renewed, l.lease)
	}
	return fmt.Sprintf("%s with token %d, leased %v for %v", l.value, l.token, l.renewed, l.lease)
}

func newOwner(number int, rng *rand.Rand) *owner {
	own := &owner{rng: rng, locks: make(map[string]owned), pending: make(map[string]owned)}
	for i := range keysPerOwner {
		own.keys = append(own.keys, fmt.Sprintf("crash:%d:%d", number, i))
	}
	return own
}

// work locks, renews and releases until the server is dead.
func (own *owner) work(addr string) {
	conn, err := dial(addr)
	if err != nil {
		return
	}
	defer conn.reset()
	for len(own.pending) < len(own.keys) {
		key := own.keys[own.rng.IntN(len(own.keys))]
		if _, doubtful := own.pending[key]; doubtful {
			continue // until verify has read it
		}
		request, want, after := own.next(key)
		own.pending[key] = after
		r, err := conn.ask(request, answerWithin)
		if err != nil {
			own.open++
			return
		}
		if r.word() == "SERVER_ERROR" {
			own.refused++
			if own.locks[key] == (owned{}) {
				delete(own.pending, key) // a claim holds nothing
			}
			continue
		}
		delete(own.pending, key)
		if r.word() != want {
			own.faults = append(own.faults, fmt.Sprintf("%q was answered %q", request, r.words))
		}
		own.answered++
		if token := r.token(); token != 0 {
			own.highest = max(own.highest, token)
			after.token = token
		}
		own.locks[key] = after
	}
}

// next chooses a request, and returns the answer that it has to get and what the lock is
// like then.
func (own *owner) next(key string) (request, want string, after owned) {
	now := owned{above: own.highest, renewed: time.Now(), lease: shortestLease + within(own.rng, longestLease-shortestLease).Round(time.Second)}
	lock := own.locks[key]
	own.writes++
	now.value = fmt.Sprintf("%s=%d", key, own.writes)
	switch n := own.rng.IntN(10); {
	case lock == owned{}:
		return metaAdd(key, now.lease, now.value, ""), "HD", now
	case n < 2 && lock.token != 0:
		return cas(key, now.lease, now.value, lock.token), "STORED", now
	case n < 4:
		now.value, now.token, now.above = lock.value, lock.token, lock.above
		return touch(key, now.lease), "TOUCHED", now
	case n < 7 && lock.token != 0:
		return remove(key, lock.token), "HD", owned{}
	}
	return "delete " + key + "\r\n", "DELETED", owned{}
}

// verify compares the owner's locks with those of the server, and goes on from the state
// that it finds.
func (own *owner) verify(conn *client) (faults []string) {
	for _, key := range own.keys {
		r, err := conn.ask("mg "+key+" v c t\r\n", answerWithin)
		if err != nil {
			return append(faults, err.Error())
		}
		candidates := []owned{own.locks[key]}
		if after, ok := own.pending[key]; ok {
			candidates = append(candidates, after)
		}
		i := slices.IndexFunc(candidates, func(c owned) bool { return c.matches(r) })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("%s is %q %v after the start, should be one of %v", key, r.value, r.words, candidates))
		}
		own.locks[key] = seen(r, candidates[max(i, 0)])
		own.highest = max(own.highest, r.token())
	}
	clear(own.pending)
	return faults
}

// matches reports whether the server shows the lock like that. It shows whole seconds.
func (l owned) matches(r reply) bool {
	if r.word() != "VA" {
		return l.value == ""
	}
	left := time.Duration(r.flag('t')) * time.Second
	gone := time.Since(l.renewed)
	return r.value == l.value && (r.token() == l.token || l.token == 0 && r.token() > l.above) &&
		left <= l.lease && left >= l.lease-gone-time.Second
}

// seen is the lock as the server shows it.
func seen(r reply, l owned) owned {
	if r.word() != "VA" {
		return owned{}
	}
	l.value, l.token = r.value, r.token()
	return l
}
