package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// lock is what is known of a lock at some point in an order of requests. Times are the
// earliest that the order allows: what a lease forbids before a moment would be forbidden
// for longer if the grant was later, so the earliest times explain all that can be
// explained.
type lock struct {
	now  time.Duration // of the latest request
	held bool

	value   string
	token   uint64        // 0: not known, but above floor
	floor   uint64        // the largest token known
	expires time.Duration // the end of the lease: it may end at any time from then on
	cut     time.Duration // from then on the grant may be withdrawn
}

// model is the life of one lock, for porcupine. It has a set of possible states because the
// outcome of an unanswered request is not known.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{lock{cut: Never}} },
	Step: func(state, input, _ any) []any {
		op, next := input.(*Op), []any(nil)
		for _, s := range state.(lock).until(op) {
			for _, s := range s.step(op) {
				next = append(next, s)
			}
		}
		return next
	},
	Hash:              func(state any) uint64 { return state.(lock).hash() },
	DescribeOperation: func(input, _ any) string { return input.(*Op).String() },
	DescribeState:     func(state any) string { return state.(lock).String() },
}).ToModel()

// until returns what the lock may be like when op is carried out: as it was, or
// free because the hold has ended by itself since.
func (s lock) until(op *Op) (states []lock) {
	s.now = max(s.now, op.Call)
	if s.now > op.Return {
		return nil
	}
	states = append(states, s)
	if end := max(s.now, min(s.expires, s.cut)); s.held && end <= op.Return {
		s.now = end
		states = append(states, s.free())
	}
	return states
}

// step returns what the lock may be like after op: nothing if the answer is
// impossible.
func (s lock) step(op *Op) []lock {
	if op.Result == Unknown {
		return append(s.effects(op), s)
	}
	switch op.Kind {
	case Claim:
		return s.claimed(op)
	case Get:
		return s.shown(op)
	case Delete, Touch:
		if s.held != (op.Result == Done) {
			return nil
		}
	case Swap, Remove:
		if !s.compared(op) {
			return nil
		}
	}
	if op.Result != Done {
		return []lock{s}
	}
	return s.effects(op)
}

// compared reports whether the answer to a request that names a token fits.
func (s lock) compared(op *Op) bool {
	switch op.Result {
	case Absent:
		return !s.held
	case Done:
		return s.mayBe(op.Compare)
	}
	return s.held && s.token != op.Compare
}

// mayBe reports whether the lock is held by that token.
func (s lock) mayBe(token uint64) bool {
	return s.held && (s.token == token || s.token == 0 && token > s.floor)
}

// effects returns what the lock is like once op has succeeded: nothing if it
// cannot.
func (s lock) effects(op *Op) []lock {
	switch op.Kind {
	case Claim:
		if !s.held {
			return []lock{s.grant(op)}
		}
	case Delete:
		return []lock{s.free()}
	case Remove:
		if s.mayBe(op.Compare) {
			return []lock{s.know(op.Compare).free()}
		}
	case Swap:
		if s.mayBe(op.Compare) {
			return []lock{s.know(op.Compare).swap(op)}
		}
	case Touch:
		if s.held {
			s.expires = s.now + op.Lease
			return []lock{s}
		}
	}
	return nil
}

func (s lock) claimed(op *Op) []lock {
	switch {
	case op.Result == Refused && s.held:
		return []lock{s}
	case op.Result == Done && !s.held && (op.Token == 0 || op.Token > s.floor):
		return []lock{s.grant(op)}
	}
	return nil
}

func (s lock) grant(op *Op) lock {
	s.held, s.value, s.token, s.cut = true, op.Value, 0, Never
	s.expires = s.now + op.Lease
	if op.Waits {
		s.cut = op.Cut
	}
	if op.Token != 0 {
		s = s.know(op.Token)
	}
	return s
}

// swap renews the lease and changes the token, or releases.
func (s lock) swap(op *Op) lock {
	if op.Lease <= 0 {
		return s.free()
	}
	s.value, s.token, s.expires = op.Value, 0, s.now+op.Lease
	s.cut = Never // a grant is withdrawn by its token
	return s
}

func (s lock) shown(op *Op) []lock {
	if op.Result == Absent {
		if s.held {
			return nil
		}
		return []lock{s}
	}
	if !s.held || s.value != op.Value || op.Token != 0 && !s.mayBe(op.Token) {
		return nil
	}
	if op.Token != 0 {
		s = s.know(op.Token)
	}
	return []lock{s}
}

func (s lock) know(token uint64) lock {
	s.token, s.floor = token, token
	return s
}

func (s lock) free() lock { return lock{now: s.now, floor: s.floor, cut: Never} }

func (s lock) hash() uint64 {
	h := uint64(s.now) ^ uint64(s.expires)<<1 ^ s.token<<2 ^ s.floor<<3
	for i := range len(s.value) {
		h = h*31 + uint64(s.value[i])
	}
	return h
}

func (s lock) String() string {
	if !s.held {
		return fmt.Sprintf("free at %v", s.now)
	}
	text := fmt.Sprintf("%s at %v, lease to %v", s.value, s.now, s.expires)
	if s.token != 0 {
		text += fmt.Sprintf(", token %d", s.token)
	}
	if s.cut != Never {
		text += fmt.Sprintf(", withdrawable from %v", s.cut)
	}
	return text
}
