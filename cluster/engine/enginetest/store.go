package enginetest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cluster/engine"
)

// store is what the machines agree on. It knows no time and no nodes.
type store struct {
	pairs     map[string]engine.Pair
	revision  int64
	history   []engine.Change // since the latest compaction, in order
	compacted int64           // the revision up to which history is gone
	full      bool
}

// newStore returns an empty store. As etcd's, its first revision is 1.
func newStore() *store { return &store{pairs: make(map[string]engine.Pair), revision: 1} }

// txn carries out a transaction that Check accepts.
func (s *store) txn(t engine.Txn) (o engine.Outcome, full bool) {
	o.Held = !slices.ContainsFunc(t.If, func(c engine.Cond) bool { return !c.Holds(s.pairs[c.Key]) })
	if s.full && (puts(t.Then) || puts(t.Else)) {
		return engine.Outcome{}, true
	}
	ops := t.Then
	if !o.Held {
		ops = t.Else
	}
	change := engine.Change{Revision: s.revision + 1}
	for _, op := range ops {
		switch op.Kind {
		case engine.OpGet:
			o.Got = append(o.Got, s.find(op))
		case engine.OpPut:
			change.Events = append(change.Events, engine.Event{Pair: s.put(op, change.Revision)})
		case engine.OpDelete:
			for _, p := range s.find(op) {
				delete(s.pairs, p.Key)
				gone := engine.Pair{Key: p.Key, Modified: change.Revision}
				change.Events = append(change.Events, engine.Event{Pair: gone, Deleted: true})
			}
		}
	}
	if len(change.Events) > 0 {
		s.revision = change.Revision
		s.history = append(s.history, change)
	}
	o.Revision = s.revision
	return o, false
}

func puts(ops []engine.Op) bool {
	return slices.ContainsFunc(ops, func(o engine.Op) bool { return o.Kind == engine.OpPut })
}

func (s *store) put(op engine.Op, revision int64) engine.Pair {
	p := s.pairs[op.Key]
	if !p.Exists() {
		p = engine.Pair{Key: op.Key, Created: revision}
	}
	p.Value, p.Modified = bytes.Clone(op.Value), revision
	s.pairs[op.Key] = p
	return p
}

// find returns the pairs that an operation is about, in the order of keys.
func (s *store) find(op engine.Op) []engine.Pair {
	if op.End == "" {
		if p := s.pairs[op.Key]; p.Exists() {
			return []engine.Pair{copied(p)}
		}
		return nil
	}
	return s.sorted(func(key string) bool { return op.Key <= key && key < op.End })
}

// copied returns a pair whose value is the receiver's own.
func copied(p engine.Pair) engine.Pair {
	p.Value = bytes.Clone(p.Value)
	return p
}

func (s *store) sorted(wanted func(key string) bool) (found []engine.Pair) {
	for key := range maps.Keys(s.pairs) {
		if wanted(key) {
			found = append(found, copied(s.pairs[key]))
		}
	}
	slices.SortFunc(found, func(a, b engine.Pair) int { return strings.Compare(a.Key, b.Key) })
	return found
}

// compact forgets the history up to a revision.
func (s *store) compact(revision int64) {
	s.compacted = max(s.compacted, revision)
	s.history = s.after(s.compacted)
}

// after returns the changes after a revision.
func (s *store) after(revision int64) []engine.Change {
	at, _ := slices.BinarySearchFunc(s.history, revision+1, func(c engine.Change, r int64) int { return cmp.Compare(c.Revision, r) })
	return s.history[at:]
}

// since returns the changes after a revision of keys that begin with the prefix, or lost if
// some of them may have been compacted.
func (s *store) since(revision int64, prefix string) (changes []engine.Change, lost bool) {
	if revision < s.compacted {
		return nil, true
	}
	for _, c := range s.after(revision) {
		var events []engine.Event
		for _, e := range c.Events {
			if strings.HasPrefix(e.Key, prefix) {
				events = append(events, engine.Event{Pair: copied(e.Pair), Deleted: e.Deleted})
			}
		}
		if len(events) > 0 {
			changes = append(changes, engine.Change{Revision: c.Revision, Events: events})
		}
	}
	return changes, false
}
