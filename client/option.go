package client

import (
	"fmt"
	"strings"
	"time"
)

// A Strategy is how a claim goes on that was refused.
type Strategy uint8

const (
	// Auto is Queue on lockcached and Local on plain memcached.
	Auto Strategy = iota
	// Queue waits in the server's line, which hands the lock over. Plain memcached
	// has no line: ErrPlain.
	Queue
	// Advice asks again when the server says so. Plain memcached has no advice:
	// ErrPlain.
	Advice
	// Local reckons when to ask again from how long the lock is usually held, which
	// the clients note in memcached for each other, and from how many wait.
	Local
	// Fixed asks again at a fixed interval; see Every.
	Fixed
	// Exponential asks again after a random pause, from up to 100 ms to up to 10 s:
	// the limit doubles with every refusal.
	Exponential

	// never is for those who do not ask again.
	never Strategy = 255
)

var strategies = [...]string{"auto", "queue", "advice", "local", "fixed", "exponential"}

// String is the strategy's name in lower case.
func (s Strategy) String() string {
	switch {
	case int(s) < len(strategies):
		return strategies[s]
	case s == never:
		return "never"
	}
	return fmt.Sprintf("strategy(%d)", uint8(s))
}

// ParseStrategy is the inverse of String.
func ParseStrategy(text string) (Strategy, error) {
	for i, name := range strategies {
		if text == name {
			return Strategy(i), nil
		}
	}
	return Auto, fmt.Errorf("client: strategy %q is none of %s", text, strings.Join(strategies[:], ", "))
}

// An Option is about one Lock or TryLock.
type Option func(*options)

type options struct {
	ttl          time.Duration // 0: the Client's
	adaptiveTTL  bool
	wait         time.Duration
	bounded      bool // wait is given
	adaptiveWait bool
	strategy     Strategy // Auto: the Client's
	owner        string   // "": the Client's
	keepAlive    bool
	every        time.Duration
	along        string // a key that is read together with the lock when it is granted
	hasty        bool   // a claim that is answered SERVER_ERROR is not made again
}

func optionsOf(all []Option) (o options) {
	o.every = defaultEvery
	for _, option := range all {
		option(&o)
	}
	return o
}

// defaultEvery is the interval of Fixed.
const defaultEvery = 100 * time.Millisecond

// TTL is how long the lock lasts unless it is renewed or unlocked. The protocol knows
// whole seconds: it is rounded up. More than 30 days are sent as a date, so that the
// clocks of this host and of the server should agree; that date must be before 19
// January 2038.
func TTL(d time.Duration) Option { return func(o *options) { o.ttl = d } }

// AdaptiveTTL lets the statistics say how long the lock lasts: a time that one hold
// in a thousand outlives, or fewer, but a second at least. As long as too little is
// known it is TTL, or the Client's.
func AdaptiveTTL() Option { return func(o *options) { o.adaptiveTTL = true } }

// Wait is how long Lock waits for the lock before it returns ErrHeld, apart from how
// long the lock lasts and from what the context allows. However short it is, the lock is
// asked for once, and the answer is waited for. Without it, only the context bounds the
// wait.
func Wait(d time.Duration) Option { return func(o *options) { o.wait, o.bounded = d, true } }

// AdaptiveWait lets the server's statistics say how long to wait: as long as 19 of 20
// claims in this place need at most, but a second at least. As long as nothing is
// known, and on plain memcached, it is Wait or else 30 s.
func AdaptiveWait() Option { return func(o *options) { o.adaptiveWait = true } }

// Using chooses another strategy than the Client's.
func Using(s Strategy) Option { return func(o *options) { o.strategy = s } }

// Every is the interval of Fixed, 100 ms unless given.
func Every(d time.Duration) Option { return func(o *options) { o.every = d } }

// Owned says who claims, instead of Config.Owner.
func Owned(by string) Option { return func(o *options) { o.owner = by } }

// KeepAlive renews the lock whenever a third of its TTL is over, until it is
// unlocked or the context that was given to Lock ends. If no renewal succeeds in time
// the lock's context ends.
func KeepAlive() Option { return func(o *options) { o.keepAlive = true } }
