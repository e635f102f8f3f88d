package engine

import (
	"fmt"
	"slices"
)

// Limits of a Txn. etcd's own are the same for operations and half as much again for bytes.
const (
	MaxOps   = 128     // conditions, and operations of either branch
	MaxBytes = 1 << 20 // all keys and values together
)

// Txn is a transaction: if all conditions of If hold, Then is carried out, and Else if not.
// The operations of a branch are carried out in their order, and a get sees what those
// before it did; but no key may be put twice, or put and deleted, in one branch.
type Txn struct {
	If   []Cond
	Then []Op
	Else []Op
}

// Outcome is what came of a Txn.
type Outcome struct {
	Held     bool     // whether the conditions held
	Revision int64    // of the store afterwards
	Got      [][]Pair // what each get of the branch found, in their order
}

// Cond is a condition: that a key was created, or changed last, by a certain revision.
type Cond struct {
	Key      string
	Modified bool // the last change counts, not the creation
	Revision int64
}

// Absent holds if there is no such key.
func Absent(key string) Cond { return Cond{Key: key} }

// CreatedAt holds if the key exists and was created by the revision: it has not been
// deleted since.
func CreatedAt(key string, revision int64) Cond { return Cond{Key: key, Revision: revision} }

// ModifiedAt holds if the key exists and was changed last by the revision.
func ModifiedAt(key string, revision int64) Cond {
	return Cond{Key: key, Modified: true, Revision: revision}
}

// Holds reports whether the condition holds for the pair of its key.
func (c Cond) Holds(p Pair) bool {
	if c.Modified {
		return p.Modified == c.Revision
	}
	return p.Created == c.Revision
}

// Kind says what an Op does.
type Kind uint8

// The kinds of operations.
const (
	OpGet Kind = iota
	OpPut
	OpDelete
)

// Op is an operation on a key, or on all keys from Key up to and without End.
type Op struct {
	Kind  Kind
	Key   string
	End   string // "" for the one key
	Value []byte // to put
}

// Put stores a value. The engine keeps no reference to it.
func Put(key string, value []byte) Op { return Op{Kind: OpPut, Key: key, Value: value} }

// Get reads a key.
func Get(key string) Op { return Op{Kind: OpGet, Key: key} }

// GetPrefix reads all keys that begin with the prefix, in their order. All of them are in
// the answer at once: for many, use List.
func GetPrefix(prefix string) Op { return Op{Kind: OpGet, Key: prefix, End: PrefixEnd(prefix)} }

// Delete deletes a key, if there is one.
func Delete(key string) Op { return Op{Kind: OpDelete, Key: key} }

// DeletePrefix deletes all keys that begin with the prefix.
func DeletePrefix(prefix string) Op { return DeleteRange(prefix, PrefixEnd(prefix)) }

// DeleteRange deletes all keys from one up to and without another.
func DeleteRange(from, end string) Op { return Op{Kind: OpDelete, Key: from, End: end} }

// covers reports whether the operation is about the key.
func (o Op) covers(key string) bool {
	if o.End == "" {
		return key == o.Key
	}
	return o.Key <= key && key < o.End
}

// overlaps reports whether a key may exist that both operations are about.
func (o Op) overlaps(p Op) bool { return o.covers(p.Key) || p.covers(o.Key) }

// PrefixEnd returns the first key behind all that begin with the prefix. The prefix is
// neither empty nor all of bytes 0xff: there is no such key then, and PrefixEnd panics.
func PrefixEnd(prefix string) string {
	end := []byte(prefix)
	for i, b := range slices.Backward(end) {
		if b < 0xff {
			end[i]++
			return string(end[:i+1])
		}
	}
	panic(fmt.Sprintf("engine: no key is behind the prefix %q", prefix))
}

// Check returns an ErrRefused for a transaction that no engine carries out: one that is
// empty or too large, names no key, or breaks the rule about one branch. Engines call it.
func (t Txn) Check() error {
	switch {
	case len(t.Then)+len(t.Else) == 0:
		return Refused("no operation")
	case max(len(t.If), len(t.Then), len(t.Else)) > MaxOps:
		return Refused("more than %d operations", MaxOps)
	case t.bytes() > MaxBytes:
		return Refused("more than %d bytes", MaxBytes)
	case slices.ContainsFunc(t.If, func(c Cond) bool { return c.Key == "" }):
		return Refused("a condition without a key")
	}
	if err := checkBranch(t.Then); err != nil {
		return err
	}
	return checkBranch(t.Else)
}

func (t Txn) bytes() int {
	n := 0
	for _, c := range t.If {
		n += len(c.Key)
	}
	for _, ops := range [][]Op{t.Then, t.Else} {
		for _, o := range ops {
			n += len(o.Key) + len(o.End) + len(o.Value)
		}
	}
	return n
}

func checkBranch(ops []Op) error {
	for i, o := range ops {
		switch {
		case o.Key == "":
			return Refused("an operation without a key")
		case o.End != "" && o.End <= o.Key:
			return Refused("a range that ends before it begins: %q to %q", o.Key, o.End)
		case o.Kind == OpGet:
			continue
		}
		for _, earlier := range ops[:i] {
			if earlier.Kind != OpGet && o.overlaps(earlier) && (o.Kind == OpPut || earlier.Kind == OpPut) {
				return Refused("the key %q is changed twice", o.Key)
			}
		}
	}
	return nil
}
