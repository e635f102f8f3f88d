package slots

import (
	"encoding/json"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Count is the number of slots.
const Count = 256

// Of returns the slot of a key.
func Of(key []byte) int { return int(xxhash.Sum64(key) % Count) }

// link is a part of a chain: an incarnation, and the revision of the map that it had to have read
// before it served the slot. What its journal says by an older map is about an earlier time, at
// which it served the slot, too.
type link struct {
	Incarnation string `json:"i"`
	After       int64  `json:"r"`
}

// assignment is the map: who serves what.
type assignment struct {
	Format int           `json:"format"`
	Chains [Count][]link `json:"chains"`

	revision int64 // at which it was changed last; 0 if there is none yet
}

const mapFormat = 1

func (a *assignment) encode() []byte {
	a.Format = mapFormat
	b, _ := json.Marshal(a) // strings and numbers cannot fail
	return b
}

func decodeMap(b []byte, revision int64) (*assignment, error) {
	a := new(assignment)
	if err := json.Unmarshal(b, a); err != nil {
		return nil, fmt.Errorf("slots: cannot read the map: %w", err)
	}
	if a.Format != mapFormat {
		return nil, fmt.Errorf("slots: the map is of format %d, this version reads %d", a.Format, mapFormat)
	}
	a.revision = revision
	return a, nil
}

// owner returns the incarnation that serves a slot, "" before there is a map.
func (a *assignment) owner(slot int) string {
	chain := a.Chains[slot]
	if len(chain) == 0 {
		return ""
	}
	return chain[len(chain)-1].Incarnation
}

// with returns a copy in which an incarnation has been added to the chains of some slots. The
// copy has no revision.
func (a *assignment) with(incarnation string, slots []int) *assignment {
	b := &assignment{Chains: a.Chains}
	for _, slot := range slots {
		chain := a.Chains[slot]
		b.Chains[slot] = append(chain[:len(chain):len(chain)], link{incarnation, a.revision})
	}
	return b
}

// short returns a copy in which the chains of some slots are their owners alone.
func (a *assignment) short(slots []int) *assignment {
	b := &assignment{Chains: a.Chains}
	for _, slot := range slots {
		chain := a.Chains[slot]
		b.Chains[slot] = chain[len(chain)-1:]
	}
	return b
}

// names returns the incarnations that a chain names.
func (a *assignment) names() map[string]bool {
	names := make(map[string]bool)
	for _, chain := range a.Chains {
		for _, l := range chain {
			names[l.Incarnation] = true
		}
	}
	return names
}

// chosen returns the node that should serve a slot: the one with the highest hash (rendezvous
// hashing), so that few slots move when a node joins or leaves. Names of nodes count, not
// incarnations: a node that comes back gets its slots back.
func chosen(slot int, members []Member) (best Member) {
	var highest uint64
	for _, m := range members {
		if m.Leaving {
			continue
		}
		if h := xxhash.Sum64String(fmt.Sprintf("%d/%s", slot, m.Name)); best.Incarnation == "" || h > highest {
			best, highest = m, h
		}
	}
	return best
}
