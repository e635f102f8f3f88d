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

	patience  context.Context // how long what fails is repeated; see bound
	until     time.Time       // how long it waits; zero is as long as its context allows
	begun     time.Time
	sent      time.Time // before the grant: of the try that was granted, or the earliest that may be
	open      int       // tries that were granted, or may have been
	late      bool      // some of these had no answer, and may be granted yet
	unsettled bool      // we have not looked since
	queued    bool      // it has waited in line
	asked     string    // the reserved key of the latest wait, with a Memcache of the caller's
	contested bool      // it was refused, or waited
	tries     int
	refused   int
	rank      int   // how many waited ahead when we last knew, -1 if never
	line      *line // that it waits on
	along     *memcache.Item
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
	cl.hold.owner = by + ":" + stamp(time.Now()) + "." + strings.ToLower(rand.Text()[:13])
}

// stamp is a time in milliseconds, in few letters.
func stamp(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 36) }

// claimedAt is when a claim was made that has such a value, by its maker's clock.
func claimedAt(owner string) (time.Time, bool) {
	stamp, _, found := strings.Cut(owner[strings.LastIndexByte(owner, ':')+1:], ".")
	ms, err := strconv.ParseInt(stamp, 36, 64)
	return time.UnixMilli(ms), found && err == nil
}

// item is what the claim stores.
func (cl *claim) item() (*memcache.Item, error) {
	n, err := exptime(cl.ttl, cl.kind, time.Now())
	return &memcache.Item{Key: cl.hold.key, Value: []byte(cl.hold.owner), Expiration: n}, err
}

// add claims the lock without asking to wait in line.
func (cl *claim) add() error {
	return cl.client.do(cl.patience, cl.hold.key, func() error {
		if ours, err := cl.settle(); err != nil || ours {
			return err
		}
		item, err := cl.item()
		if err != nil {
			return err
		}
		return cl.try(func() error { return cl.client.mc.Add(item) })
	})
}

// settle finds out what became of a try whose answer was lost: whether the lock is
// ours. If it is somebody else's, that was a refusal, unless the claim was to wait.
func (cl *claim) settle() (ours bool, err error) {
	if !cl.unsettled {
		return false, nil
	}
	asked := time.Now()
	err = cl.client.look(&cl.hold)
	held := errors.Is(err, ErrLost)
	switch {
	case err == nil:
		return true, nil
	case held || errors.Is(err, memcache.ErrCacheMiss):
		cl.unsettled = false
		cl.sent = asked // a grant that comes now began later
		if held && cl.chosen != Queue {
			return false, memcache.ErrNotStored
		}
		return false, nil
	}
	return false, err
}

// try sends the claim once.
func (cl *claim) try(send func() error) error {
	now := time.Now()
	if cl.open == 0 {
		cl.sent = now
	}
	cl.tries++
	err := send()
	switch {
	case err == nil:
		cl.sent = now
		cl.open++
	case isNotStored(err) && cl.open > 0:
		// A try that was thought to be lost may have come through meanwhile.
		cl.unsettled = true
		if ours, lookErr := cl.settle(); lookErr != nil || ours {
			return lookErr
		}
	case isUnsent(err):
	case isFault(err) || errors.Is(err, errInterrupted):
		cl.open++
		cl.unsettled = true
		cl.late = cl.late || !isBusy(err)
	}
	if cl.opts.hasty {
		return unable(err)
	}
	return err
}

// wait claims the lock and waits in the server's line, for as long as one request may
// take. What an attempt has achieved stays: a line that is connected, a look.
func (cl *claim) wait(ctx context.Context) error {
	s := cl.server
	return cl.client.repeat(cl.patience, s, cl.hold.key, func() error {
		ours, err := cl.prepare()
		if err != nil || ours {
			return err
		}
		cl.queued = true
		p := s.bypass() // the wait is no probe: others would wait for its end
		err = cl.try(func() error { return cl.send(ctx) })
		if s.leave(p, err) {
			s.onAway(s)
		}
		return err
	})
}

// prepare makes sure that the claim may be sent: that it was not granted already, and
// that it is lockcached that gets it.
func (cl *claim) prepare() (ours bool, err error) {
	c, s := cl.client, cl.server
	if cl.unsettled {
		err := s.attempt(cl.patience, func() (err error) { ours, err = cl.settle(); return err })
		if err != nil || ours {
			return ours, err
		}
	}
	if c.config.Memcache != nil {
		k, err := c.kindOf(cl.patience, s, cl.hold.key, c.once)
		if err == nil && k != lockcached {
			err = ErrPlain
		}
		return false, err
	}
	if cl.line == nil || cl.line.isDead() {
		cl.line = c.takeLine(s)
	}
	if cl.line.isConnected() {
		return false, nil
	}
	return false, s.attempt(cl.patience, func() error { return cl.line.greet() })
}

// longestWait is how long one request waits in line: what lockcached's --max-wait
// allows unless told otherwise. The place in line is kept from one to the next.
const longestWait = time.Minute

// A slice is the part of a wait that one request waits for.
type slice struct {
	wait time.Duration
	last bool // if it is in vain the claim is given up
}

// String is how the protocol has it. A plus sign tells the server that a slice is not the
// last.
func (s slice) String() string {
	text := strconv.FormatInt(s.wait.Milliseconds(), 10)
	if !s.last {
		text += "+"
	}
	return text
}

// slice is what the next request may wait for.
func (cl *claim) slice(ctx context.Context) slice {
	if cl.chosen == never {
		return slice{last: true} // whatever the server's policy is
	}
	s := slice{wait: longestWait}
	if cl.client.config.Memcache != nil {
		// It would close its connection in the middle of a longer wait.
		s.wait = min(s.wait, cl.client.config.Timeout*4/5)
	}
	if left := cl.left(); left <= s.wait {
		s = slice{left, true}
	}
	if end, bounded := ctx.Deadline(); bounded {
		// The answer is to arrive before ctx ends, which would cost the connection.
		if left := max(time.Until(end)-2*roundTrip, time.Millisecond); left <= s.wait {
			s = slice{left, true}
		}
	}
	return s
}

// send makes one request that waits in line.
func (cl *claim) send(ctx context.Context) error {
	item, err := cl.item()
	if err != nil {
		return err
	}
	s := cl.slice(ctx)
	if cl.client.config.Memcache != nil {
		item = waiting(item, s)
		cl.asked = item.Key
		return cl.client.mc.Add(item)
	}
	return cl.line.add(ctx, item, s)
}

// abandon makes sure that the lock is not ours in the end, when the claim is given up
// after a try that was granted, or whose answer is not known. Nobody waits for that.
func (cl *claim) abandon() {
	if cl.open == 0 {
		cl.line.done()
		return
	}
	cl.line.hangUp()
	left := newStray(cl.hold.key, cl.hold.owner, cl.open, cl.ttl)
	if !cl.late {
		left.until = time.Now() // one look tells
	}
	cl.client.watch(cl.server, left)
}
