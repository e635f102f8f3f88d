package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

// A Policy is a way to get a lock that is held: when to ask again, and what
// the server does for it.
type Policy struct {
	Name  string
	About string

	needs  needs
	wait   time.Duration                  // how long the server holds back a refusal
	ranked bool                           // the server knows each client's place in line
	ideal  bool                           // simulated only: nothing takes time on the network
	pause  func(r *refusal) time.Duration // nil if clients are never refused
}

// needs is what a policy asks of the server besides add and delete.
type needs uint8

const (
	tells   needs = 1 << iota // how long holds take, how old this one is, how many wait: get lockcached:lock:KEY
	advises                   // the time to ask again: get lockcached:retry:KEY
	queues                    // waiting in line: add lockcached:wait=...:KEY
	dreams                    // what no server can do, or no client can ask for: simulated only
)

// A refusal is what a refused client knows.
type refusal struct {
	nth    int           // of this client since it began to want the lock: 1 is the first
	last   time.Duration // its pause before, 0 at the first
	rand   *rand.Rand
	scene  scene         // if the policy needs it
	advice time.Duration // if the policy needs it
}

// A scene is what the server tells a client that computes its own pause.
type scene struct {
	mean, stddev, age time.Duration
	waiters           int // this one included
}

// parking is how long a refusal can be held back without a client noticing: the
// shortest timeout met in the field is 100 ms.
const parking = 50 * time.Millisecond

// Policies are all policies that there are.
var Policies = []*Policy{
	{Name: "exp100", About: "exponential backoff as in the article: 100 ms, doubling, no cap", pause: doubling(0)},
	{Name: "exp100cap1s", About: "the same, capped at 1 s", pause: doubling(time.Second)},
	{Name: "fulljit", About: "AWS full jitter: base 100 ms, cap 10 s", pause: fullJitter},
	{Name: "decorr", About: "AWS decorrelated jitter: base 100 ms, cap 10 s", pause: decorrelated},
	{Name: "dogpile", About: "dogpile.cache: ((i+1) random + 2^i) / 2.5 s", pause: dogpile},
	{Name: "linear100", About: "every 100 ms", pause: func(*refusal) time.Duration { return 100 * time.Millisecond }},
	{Name: "article", About: "the article's rule: normal law, next try at an even chance", needs: tells, pause: evenChance},
	{Name: "solo", About: "the client reckons: mean, sd, age and waiters from the server", needs: tells, pause: solo},
	{Name: "slots", About: "the server's advice", needs: advises, pause: asAdvised},
	{Name: "rank", About: "the server's advice to waiters whose place in line it knows", needs: advises | dreams, ranked: true, pause: asAdvised},
	{Name: "slots+park50", About: "the advice, after up to 50 ms in line", needs: advises | queues, wait: parking, pause: asAdvised},
	{Name: "queue", About: "waiting in line: the lock is handed over", needs: queues, wait: ttl.Forever},
	{Name: "oracle", About: "hand-off in no time: the best that can be", needs: dreams, wait: ttl.Forever, ideal: true},
}

// PolicyNames returns the names of Policies.
func PolicyNames() []string {
	var names []string
	for _, p := range Policies {
		names = append(names, p.Name)
	}
	return names
}

// ParsePolicy returns the policy of that name, or an error if there is none.
func ParsePolicy(name string) (*Policy, error) {
	for _, p := range Policies {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(PolicyNames(), ", "))
}

// asAdvised does what the server says, without jitter of its own: the server
// has spread the waiters.
func asAdvised(r *refusal) time.Duration { return r.advice }
