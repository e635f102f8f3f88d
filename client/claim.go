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
	renewing  uint64    // the CAS id with which a renewal was sent to confirm the grant, or 0
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
	return cl.client.doAtOwner(cl.patience, cl.hold.key, func(s *peer) error {
		if ours, err := cl.settle(s); err != nil || ours {
			return err
		}
		item, err := cl.item()
		if err != nil {
			return err
		}
		return cl.try(s, func() error { return s.mc.Add(item) })
	})
}

// settle finds out what became of a try whose answer was lost: whether the lock is
// ours. If it is somebody else's, that was a refusal, unless the claim was to wait.
func (cl *claim) settle(s *peer) (ours bool, err error) {
	if !cl.unsettled {
		return false, nil
	}
	asked := time.Now()
	err = s.look(&cl.hold)
	if err == nil && cl.kind == lockcached {
		err = cl.confirm(s)
	}
	held := errors.Is(err, ErrLost)
	switch {
	case err == nil:
		return true, nil
	case held || errors.Is(err, memcache.ErrCacheMiss):
		cl.unsettled, cl.renewing = false, 0
		cl.sent = asked // a grant that comes now began later
		if held && cl.chosen != Queue {
			return false, memcache.ErrNotStored
		}
		return false, nil
	}
	return false, err
}

// confirm renews the hold that a look has found. A server takes a grant back if it sees that the
// answer did not arrive, but only by the CAS id of the grant: once a renewal has changed that, the
// hold is ours. If it is gone that is memcache.ErrCacheMiss, or ErrLost if somebody else has it.
func (cl *claim) confirm(s *peer) error {
	lease := func(sent time.Time) (int32, error) { return exptime(cl.ttl, cl.kind, sent) }
	for {
		if cl.renewing != 0 && cl.renewing != cl.hold.cas && cl.open == 1 {
			return nil // only the answer was lost; and there is no other try that was granted since
		}
		cl.renewing, cl.sent = cl.hold.cas, time.Now()
		err := s.tryReplace(&cl.hold, cl.hold.owner, lease, cl.sent)
		switch {
		case errors.Is(err, ErrLost):
			return memcache.ErrCacheMiss
		case !errors.Is(err, memcache.ErrCASConflict):
			return err
		}
		if err := s.look(&cl.hold); err != nil {
			return err
		}
	}
}

// try sends the claim once.
func (cl *claim) try(s *peer, send func() error) error {
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
		if ours, lookErr := cl.settle(s); lookErr != nil || ours {
			return lookErr
		}
	case isUnsent(err):
	case isFault(err) || errors.Is(err, errInterrupted):
		cl.open++
		cl.unsettled = true
		// In a cluster SERVER_ERROR does not say that it was not granted.
		cl.late = cl.late || !isBusy(err) || s.fleet != nil
	}
	if cl.opts.hasty {
		return unable(err)
	}
	return err
}

// wait claims the lock and waits in the server's line, for as long as one request may
// take. What an attempt has achieved stays: a line that is connected, a look.
func (cl *claim) wait(ctx context.Context) error {
	return cl.client.repeat(cl.patience, cl.hold.key, cl.place, func(s *peer) error {
		ours, err := cl.prepare(s)
		if err != nil || ours {
			return err
		}
		cl.queued = true
		p := s.bypass() // the wait is no probe: others would wait for its end
		err = cl.try(s, func() error { return cl.send(ctx, s) })
		if s.leave(p, err) {
			s.onAway(s)
		}
		return err
	})
}

// place is the server in whose line the claim waits: where it has its place already, as long as
// the connection lasts.
func (cl *claim) place() (*peer, error) {
	if cl.line != nil && cl.line.isConnected() {
		return cl.line.server, nil
	}
	return cl.client.route(cl.patience, cl.hold.key)
}

// prepare makes sure that the claim may be sent: that it was not granted already, and
// that it is lockcached that gets it.
func (cl *claim) prepare(s *peer) (ours bool, err error) {
	c := cl.client
	if cl.unsettled {
		err := s.attempt(cl.patience, func() (err error) { ours, err = cl.settle(s); return err })
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
func (cl *claim) send(ctx context.Context, at *peer) error {
	item, err := cl.item()
	if err != nil {
		return err
	}
	s := cl.slice(ctx)
	if cl.client.config.Memcache != nil {
		item = waiting(item, s)
		cl.asked = item.Key
		return at.mc.Add(item)
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
