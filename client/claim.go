package client

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A claim asks for a lock until it is granted.
//
// Its value is unlike that of any other claim, so that a claim whose answer was lost
// can be told from those of others: a try that follows looks first whether the lock
// is ours already.
type claim struct {
	client *Client
	server *peer
	kind   kind
	hold   hold   // that it is to become
	by     string // whom the owner begins with
	chosen Strategy
	ttl    time.Duration
	opts   options

	begun     time.Time
	sent      time.Time // when the try that was granted was sent, or the first that may have been
	unsure    bool      // an answer was lost: the claim may have been granted
	queued    bool      // the latest try may have waited in line
	contested bool      // it was refused, or waited
	tries     int
	rank      int   // how many waited ahead when we last knew, -1 if never
	line      *line // that it waits on
}

// name makes a value for the claim: who, when, and something random. It is printable
// and short, since it stands in every list of locks.
func (cl *claim) name() {
	by := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '_'
		}
		return r
	}, cl.by[:min(len(cl.by), maxOwner)])
	cl.hold.owner = by + ":" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "." + strings.ToLower(rand.Text()[:13])
}

// claimedAt is when a claim was made that has such a value, by its maker's clock.
func claimedAt(owner string) (time.Time, bool) {
	stamp, _, found := strings.Cut(owner[strings.LastIndexByte(owner, ':')+1:], ".")
	ms, err := strconv.ParseInt(stamp, 36, 64)
	return time.UnixMilli(ms), found && err == nil
}

// item is what the claim stores.
func (cl *claim) item() *memcache.Item {
	return &memcache.Item{Key: cl.hold.key, Value: []byte(cl.hold.owner), Expiration: seconds(cl.ttl, cl.kind)}
}

// seconds is a lease as the protocol has it. On plain memcached, whose clock ticks
// once a second, n seconds may last n-1 and a little.
func seconds(ttl time.Duration, k kind) int32 {
	n := int32((ttl + time.Second - 1) / time.Second)
	if k == plain {
		n++
	}
	return n
}

// add claims the lock without waiting in line.
func (cl *claim) add(ctx context.Context) error {
	return cl.client.do(ctx, cl.hold.key, func() error {
		cl.queued = false
		return cl.try(func() error { return cl.client.mc.Add(cl.item()) })
	})
}

// try sends the claim once. What is not known after a lost answer it finds out.
func (cl *claim) try(send func() error) error {
	if cl.unsure {
		if ours, err := cl.look(); err != nil || ours {
			return err
		}
	} else {
		cl.sent = time.Now()
	}
	cl.tries++
	err := send()
	switch {
	case isNotStored(err) && cl.unsure:
		// A try that was thought to be lost may have come through meanwhile.
		if ours, lookErr := cl.look(); lookErr != nil || ours {
			return lookErr
		}
	case isFault(err) || errors.Is(err, errInterrupted):
		cl.unsure = true
	}
	return err
}

// look reports whether the lock is ours.
func (cl *claim) look() (bool, error) {
	err := cl.client.look(&cl.hold)
	if errors.Is(err, ErrLost) {
		return false, nil
	}
	return err == nil, err
}

// wait claims the lock and waits in the server's line, for as long as one request may
// take.
func (cl *claim) wait(ctx context.Context) error {
	s := cl.server
	return cl.client.repeat(ctx, s, cl.hold.key, func() error {
		// If the server is away this is the probe: a wait would keep the others waiting.
		k, err := cl.client.kindOf(ctx, s, cl.hold.key, cl.client.once)
		if err == nil && k != lockcached {
			err = ErrPlain
		}
		if err != nil {
			return err
		}
		cl.queued = true
		p := s.bypass()
		err = cl.try(func() error { return cl.send(ctx) })
		if errors.Is(err, ErrPlain) {
			s.isA(plain)
		}
		if s.leave(p, err) {
			s.onAway(s)
		}
		return err
	})
}

// longestWait is how long one request waits in line: what lockcached's --max-wait
// allows unless told otherwise. The place in line is kept from one to the next.
const longestWait = time.Minute

// send makes one request that waits in line.
func (cl *claim) send(ctx context.Context) error {
	wait := longestWait
	if end, bounded := ctx.Deadline(); bounded {
		wait = min(wait, max(time.Until(end), time.Millisecond))
	}
	if cl.server.addr == nil || cl.client.config.Memcache != nil {
		// Not our connections. gomemcache would close one in the middle of a wait.
		wait = min(wait, cl.client.config.Timeout*4/5)
		return cl.client.mc.Add(waiting(cl.item(), wait))
	}
	if cl.line == nil || cl.line.isDead() {
		cl.line = cl.client.takeLine(cl.server)
	}
	return cl.line.add(ctx, cl.item(), wait)
}

// abandon makes sure that the lock is not ours in the end, when the claim is given up
// after a try whose answer is not known. Nobody waits for that.
func (cl *claim) abandon() {
	if cl.line != nil && !cl.line.isDead() {
		cl.line.done()
	}
	if !cl.unsure {
		return
	}
	cl.client.background(func(ctx context.Context) {
		if err := cl.client.release(ctx, &hold{key: cl.hold.key, owner: cl.hold.owner}, time.Time{}); err != nil && !errors.Is(err, ErrLost) {
			cl.client.log.Warn().Str("key", cl.hold.key).Err(err).Msg("a claim that was given up may hold its lock until its TTL is over")
		}
	})
}
