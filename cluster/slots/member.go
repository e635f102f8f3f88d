package slots

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Member is an incarnation of a node that is alive, as far as anybody knows.
type Member struct {
	Incarnation string `json:"-"`
	Name        string `json:"name"`    // of the node
	Link        string `json:"link"`    // the address for other nodes
	Clients     string `json:"clients"` // the address for clients
	Version     string `json:"version"` // of lockcached
	Leaving     bool   `json:"leaving,omitempty"`

	created int64 // the revision at which it joined
}

// newIncarnation returns a name that never returns.
func newIncarnation() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (m *Member) encode() []byte {
	b, _ := json.Marshal(m) // strings cannot fail
	return b
}

func decodeMember(p engine.Pair, incarnation string) (Member, error) {
	m := Member{Incarnation: incarnation, created: p.Created}
	if err := json.Unmarshal(p.Value, &m); err != nil {
		return m, fmt.Errorf("slots: cannot read %s: %w", p.Key, err)
	}
	return m, nil
}

// byName sorts members, so that all nodes see the same order.
func byName(members []Member) []Member {
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return members
}
