package locks

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// front passes the claims of one client on to the node that serves the key.
type front struct {
	nodes [2]*node
	name  string
	sent  *atomic.Uint64 // claims of all clients
}

// owner is a node that seems to serve the key, nil if none does at the moment.
func (f *front) owner(key []byte) *node {
	for _, n := range f.nodes {
		if n.owns(key) {
			return n
		}
	}
	return nil
}

// lock waits until the client holds the lock, and returns the token. It sends the claim
// again, under its id, whenever the lock has moved.
func (f *front) lock(key string) (token uint64, err error) {
	var id ClaimID
	binary.LittleEndian.PutUint64(id[:], f.sent.Add(1))
	began := time.Now()
	for ; ; time.Sleep(time.Millisecond) {
		n := f.owner([]byte(key))
		if n == nil {
			continue
		}
		claim := newClient(n.Manager, f.name).claim(key, time.Hour)
		claim.Claim = id
		b := &blocking{outcome: make(chan Outcome, 1)}
		done, err := n.PutOrWait(claim, &Wait{For: time.Hour, Waiter: b, Waiting: &b.Waiting, Waited: time.Since(began)})
		switch {
		case err == ErrMoved:
		case err == ErrQueued:
			switch how := <-b.outcome; how {
			case Granted:
				return b.Token(), nil
			case Moved:
			default:
				return 0, fmt.Errorf("the wait ended with %d", how)
			}
		case err != nil:
			return 0, err
		default:
			return done.CAS, n.Confirm(n.Mark())
		}
	}
}

// unlock releases the lock by its token.
func (f *front) unlock(key string, token uint64) error {
	for ; ; time.Sleep(time.Millisecond) {
		n := f.owner([]byte(key))
		if n == nil {
			continue
		}
		err := n.Remove(&Removal{Key: []byte(key), HasCompare: true, Compare: token})
		if err == nil {
			err = n.Confirm(n.Mark())
		}
		if err != ErrMoved {
			return err
		}
	}
}

// Clients exclude each other by locks that move between two nodes all the time; tokens of a
// lock rise, and nothing is written about a lock that has moved away.
func TestMutualExclusionWhileLocksMove(t *testing.T) {
	const clients, rounds, locks = 12, 100, 6
	var inside, entered [locks]int
	var last [locks]uint64
	synctest.Test(t, func(t *testing.T) {
		a, b := cluster(t, Config{}, time.Millisecond)
		sent := new(atomic.Uint64)
		var working, moving sync.WaitGroup
		for i := range clients {
			working.Go(func() {
				f := &front{nodes: [2]*node{a, b}, name: fmt.Sprint(i), sent: sent}
				for range rounds {
					n := rand.IntN(locks)
					key := fmt.Sprint("lock:", n)
					token, err := f.lock(key)
					if err != nil {
						t.Errorf("%s: %v", key, err)
						return
					}
					if inside[n]++; inside[n] != 1 || token <= last[n] {
						t.Errorf("%d hold %s, token %d after %d", inside[n], key, token, last[n])
					}
					entered[n]++
					last[n] = token
					time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
					inside[n]--
					if err := f.unlock(key, token); err != nil {
						t.Errorf("%s: %v", key, err)
					}
				}
			})
		}
		done := make(chan struct{})
		moved := 0
		moving.Go(func() {
			owners := [slots]*node{a, a, a, a}
			for {
				slot := rand.Uint32N(slots)
				from, to := owners[slot], a
				if from == a {
					to = b
				}
				from.handOver(t, to, inSlot(slot))
				owners[slot] = to
				moved++
				select {
				case <-done:
					return
				case <-time.After(time.Duration(rand.IntN(5)) * time.Millisecond):
				}
			}
		})
		working.Wait()
		close(done)
		moving.Wait()
		if a.Totals().Held+b.Totals().Held != 0 || a.waiters.Load()+b.waiters.Load() != 0 {
			t.Errorf("left over: %+v, %+v", a.Totals(), b.Totals())
		}
		t.Logf("%d moves of slots, %d claims sent", moved, sent.Load())
	})
	sum := 0
	for _, n := range entered {
		sum += n
	}
	if sum != clients*rounds {
		t.Errorf("entered %d times, want %d", sum, clients*rounds)
	}
}
