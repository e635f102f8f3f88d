package slots

import (
	"context"
	"strings"
	"sync"

	"github.com/lockcached/lockcached/cluster/engine"
)

// view is what a node has read of the members and the map. Safe for concurrent use.
type view struct {
	engine engine.Engine
	prefix string

	mu      sync.Mutex // guards what follows
	members map[string]Member
	present *assignment
}

func newView(e engine.Engine, prefix string) *view {
	return &view{engine: e, prefix: prefix, members: make(map[string]Member), present: new(assignment)}
}

func (v *view) memberKey(incarnation string) string { return v.prefix + "member/" + incarnation }
func (v *view) mapKey() string                      { return v.prefix + "map" }

// read reads everything, and returns the revision of what it has read.
func (v *view) read(ctx context.Context) (revision int64, err error) {
	members := make(map[string]Member)
	var bad error
	revision, err = v.engine.List(ctx, v.memberKey(""), func(p engine.Pair) {
		m, err := decodeMember(p, strings.TrimPrefix(p.Key, v.memberKey("")))
		if err != nil {
			bad = err
		}
		members[m.Incarnation] = m
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return 0, err
	}
	pair, _, err := v.engine.Get(ctx, v.mapKey())
	if err != nil {
		return 0, err
	}
	v.mu.Lock()
	v.members = members
	v.mu.Unlock()
	return revision, v.setMap(pair)
}

// setMap takes a map over that was read, unless a later one is known.
func (v *view) setMap(p engine.Pair) error {
	a := new(assignment)
	if p.Exists() {
		var err error
		if a, err = decodeMap(p.Value, p.Modified); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if a.revision >= v.present.revision {
		v.present = a
	}
	return nil
}

// apply takes changes over that the engine has told of.
func (v *view) apply(c engine.Change) error {
	for _, e := range c.Events {
		incarnation, isMember := strings.CutPrefix(e.Key, v.memberKey(""))
		switch {
		case e.Key == v.mapKey() && !e.Deleted:
			if err := v.setMap(e.Pair); err != nil {
				return err
			}
		case isMember && e.Deleted:
			v.mu.Lock()
			delete(v.members, incarnation)
			v.mu.Unlock()
		case isMember:
			m, err := decodeMember(e.Pair, incarnation)
			if err != nil {
				return err
			}
			v.mu.Lock()
			v.members[incarnation] = m
			v.mu.Unlock()
		}
	}
	return nil
}

// now returns the present view.
func (v *view) now() (members []Member, present *assignment) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.members {
		members = append(members, m)
	}
	return byName(members), v.present
}

// member returns a member by its incarnation.
func (v *view) member(incarnation string) (m Member, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, ok = v.members[incarnation]
	return m, ok
}
