package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// A way is how clients get a page from the cache, and compute it if they have to.
type way struct {
	name, about string

	read     func(v *visit) page
	policies []fillFlag // what the server is told; the others are for clients alone
}

// fillFlag is a flag of the server.
type fillFlag uint8

const (
	coalesces fillFlag = iota
	servesStale
	fillsEarly
)

// page is what readers want.
type page struct {
	made time.Duration // when somebody began to compute it
	took time.Duration // to compute
}

// encode is the page as it is stored.
func (p page) encode() []byte { return fmt.Appendf(nil, "%d %d", p.made, p.took) }

func decodePage(b []byte) (p page) {
	_, _ = fmt.Sscan(string(b), &p.made, &p.took) // a placeholder is the zero page
	return p
}

// visit is a reader that wants a page.
type visit struct {
	reader
	key string
	ttl time.Duration
}

// reader is a client of the cache, live or simulated.
type reader interface {
	now() time.Duration
	sleep(d time.Duration)
	chance() *rand.Rand
	// compute computes the page: that is what loads the origin.
	compute() page

	get(key string) (p page, ok bool)
	set(key string, p page, ttl time.Duration)     // 0 for ever
	add(key string, lease time.Duration) (ok bool) // a lock
	delete(key string)
	// vivify is "mg KEY v N<lease>".
	vivify(key string, lease time.Duration) (p page, how vivified)

	// gaveUp reports whether the run was broken off.
	gaveUp() bool
}

// vivified is how mg with N is answered.
type vivified uint8

const (
	shown vivified = iota
	won            // the caller is to compute the page
	taken          // another one does
)

const (
	pollEvery  = 100 * time.Millisecond // of those who wait for another one's page
	longLease  = time.Minute            // of locks around computing; longer than that takes
	vivifyFor  = 30 * time.Second
	xfetchBeta = 1
)

// ways are all ways that there are.
var ways = []*way{
	{name: "plain", about: "get; on a miss compute and set", read: (*visit).readPlain},
	{name: "add-lock", about: "on a miss add a lock and compute, or sleep 100 ms and get again", read: (*visit).readLocked},
	{name: "dogpile", about: "dogpile.cache: the page outlives its time, and one with a lock renews it", read: (*visit).readDogpile},
	{name: "xfetch", about: "XFetch in the client, beta 1", read: (*visit).readXFetch},
	{name: "mg-n30", about: "mg with N30: one wins and computes, the others poll every 100 ms", read: (*visit).readVivified},
	{name: "coalesce", about: "plain clients, --coalesce", read: (*visit).readPlain, policies: []fillFlag{coalesces}},
	{name: "stale", about: "plain clients, --coalesce and --stale", read: (*visit).readPlain, policies: []fillFlag{coalesces, servesStale}},
	{name: "early", about: "plain clients, --coalesce, --stale and --early", read: (*visit).readPlain, policies: []fillFlag{coalesces, servesStale, fillsEarly}},
}

func parseWay(name string) (*way, error) {
	var names []string
	for _, w := range ways {
		if w.name == name {
			return w, nil
		}
		names = append(names, w.name)
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
}

// configure adds to a server's configuration what the way wants for the keys that match.
func (w *way) configure(l *locks.Config, c *stampedeConfig, keys string) {
	p := locks.MustPattern(keys)
	for _, flag := range w.policies {
		switch flag {
		case coalesces:
			l.HoldPolicies = append(l.HoldPolicies, locks.FillPolicy{Pattern: p, For: c.Hold})
		case servesStale:
			l.StalePolicies = append(l.StalePolicies, locks.FillPolicy{Pattern: p, For: c.Stale})
		case fillsEarly:
			l.EarlyPolicies = append(l.EarlyPolicies, locks.EarlyPolicy{Pattern: p, Beta: 1})
		}
	}
}

func (v *visit) fill(ttl time.Duration) page {
	p := v.compute()
	v.set(v.key, p, ttl)
	return p
}

func (v *visit) lockKey() string { return "lock:" + v.key }

func (v *visit) readPlain() page {
	if p, ok := v.get(v.key); ok {
		return p
	}
	return v.fill(v.ttl)
}

func (v *visit) readLocked() (p page) {
	for !v.gaveUp() {
		p, ok := v.get(v.key)
		if ok {
			return p
		}
		if v.add(v.lockKey(), longLease) {
			p = v.fill(v.ttl)
			v.delete(v.lockKey())
			return p
		}
		v.sleep(pollEvery)
	}
	return p
}

// readDogpile is get_or_create of a region of dogpile.cache with an expiration time, over its
// backends for memcached with a distributed lock.
func (v *visit) readDogpile() page {
	p, ok := v.get(v.key)
	if ok && v.now() < p.made+p.took+v.ttl {
		return p
	}
	r := refusal{rand: v.chance()}
	for !v.add(v.lockKey(), longLease) && !v.gaveUp() {
		if ok {
			return p // old, and another one renews it
		}
		r.nth++
		v.sleep(dogpile(&r))
	}
	p, ok = v.get(v.key) // perhaps somebody was faster
	if !ok || v.now() >= p.made+p.took+v.ttl {
		p = v.fill(0)
	}
	v.delete(v.lockKey())
	return p
}

// readXFetch is XFetch, by A. Vattani, F. Chierichetti and K. Lowenstein, "Optimal
// Probabilistic Cache Stampede Prevention" (2015).
func (v *visit) readXFetch() page {
	p, ok := v.get(v.key)
	early := time.Duration(-math.Log(1-v.chance().Float64()) * xfetchBeta * float64(p.took))
	if ok && v.now()+early < p.made+p.took+v.ttl {
		return p
	}
	return v.fill(v.ttl)
}

func (v *visit) readVivified() (p page) {
	for !v.gaveUp() {
		p, how := v.vivify(v.key, vivifyFor)
		switch how {
		case shown:
			return p
		case won:
			return v.fill(v.ttl)
		}
		v.sleep(pollEvery)
	}
	return p
}
