package store

import (
	"bytes"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/internal/ttl"
)

// Table holds items by key, by expiry and by last use. The zero value is not
// ready; use New.
type Table[X any] struct {
	items   slab[X]
	buckets []ref
	count   int
	pinned  int
	bytes   int64
	due     Heap[*Item[X]]
	oldest  ref // next to be evicted
	newest  ref
	spare   [][]byte // buffers of removed items, for the next ones
}

const (
	minBuckets = 16
	// maxSpare bounds the buffers that are kept, and maxSpareBytes each of them: a lock that is
	// taken and released again and again allocates nothing.
	maxSpare      = 64
	maxSpareBytes = 512
)

// Linger is how long an ordinary item that has expired is kept: so that a request for it
// is counted apart from one for an item that never existed, as in memcached.
const Linger = time.Second

// New returns an empty Table.
func New[X any]() *Table[X] {
	return &Table[X]{buckets: make([]ref, minBuckets)}
}

// Len is the number of items.
func (t *Table[X]) Len() int { return t.count }

// PinnedLen is the number of pinned items.
func (t *Table[X]) PinnedLen() int { return t.pinned }

// Bytes is the memory that the items take, in bytes, see Item.Size.
func (t *Table[X]) Bytes() int64 { return t.bytes }

// Buckets is the number of buckets of the hash table, of BucketBytes each.
func (t *Table[X]) Buckets() int { return len(t.buckets) }

// BucketBytes is the size of a bucket in bytes.
const BucketBytes = 4

// SizeFor is the least memory that a new item with such a key and value would take, in
// bytes.
func (t *Table[X]) SizeFor(keyLen, valueLen int) int64 {
	return int64(unsafe.Sizeof(Item[X]{})) + int64(keyLen+valueLen) + indexBytes
}

// Find returns the item of that key, expired or not, or nil. The caller computes the
// hash, always the same for the same key.
func (t *Table[X]) Find(hash uint64, key []byte) *Item[X] {
	short := uint32(hash >> 32)
	for r := t.buckets[t.bucket(short)]; r != 0; {
		it := t.items.at(r)
		if it.hash == short && bytes.Equal(it.Key(), key) {
			return it
		}
		r = it.chain
	}
	return nil
}

func (t *Table[X]) bucket(short uint32) uint32 { return short & uint32(len(t.buckets)-1) }

// Insert adds an item under a key that is not in the Table. A pinned item is
// never offered for eviction.
func (t *Table[X]) Insert(hash uint64, key, value []byte, expires, now time.Duration, pinned bool) *Item[X] {
	if t.count >= len(t.buckets) {
		t.grow()
	}
	it, r := t.items.take()
	data := refit(t.takeSpare(), 0, len(key)+len(value))[:len(key)+len(value)]
	copy(data[copy(data, key):], value)
	it.setBytes(data)
	it.keyLen = uint8(len(key))
	it.hash = uint32(hash >> 32)
	it.used = uint32(now / time.Second)
	it.due = -1
	it.expires = expires
	if pinned {
		it.marks = Pinned | prompt
	}
	if expires != ttl.Forever {
		t.due.Push(it, it.Due())
	}
	t.enter(it, r)
	if pinned {
		t.pinned++
	} else {
		t.link(it, r)
	}
	t.count++
	t.bytes += it.Size()
	return it
}

// Remove takes the item out and keeps its memory for a later Insert: it must not be used
// any more.
func (t *Table[X]) Remove(it *Item[X]) {
	at := &t.buckets[t.bucket(it.hash)]
	for t.items.at(*at) != it {
		at = &t.items.at(*at).chain
	}
	r := *at
	*at = it.chain
	if it.Has(Pinned) {
		t.pinned--
	} else {
		t.unlink(it)
	}
	if it.due >= 0 {
		t.due.Remove(it.due)
	}
	t.count--
	t.bytes -= it.Size()
	t.keepSpare(it.bytes())
	t.items.release(it, r)
}

// SetValue replaces the item's value by the parts, one after the other; a part
// may be the old value.
func (t *Table[X]) SetValue(it *Item[X], parts ...[]byte) {
	size := int(it.keyLen)
	for _, p := range parts {
		size += len(p)
	}
	t.bytes -= it.Size()
	if len(parts) == 1 {
		// The common case needs no second buffer: the old value is not a part of
		// the new one, so it may be overwritten in place.
		it.setBytes(append(refit(it.bytes(), int(it.keyLen), size), parts[0]...))
	} else {
		data := append(slices.Grow([]byte(nil), size), it.Key()...)
		for _, p := range parts {
			data = append(data, p...)
		}
		it.setBytes(data)
	}
	t.bytes += it.Size()
}

// SetExpires changes when the item ends.
func (t *Table[X]) SetExpires(it *Item[X], expires time.Duration) {
	it.expires = expires
	switch {
	case expires == ttl.Forever && it.due >= 0:
		t.due.Remove(it.due)
	case expires != ttl.Forever && it.due < 0:
		t.due.Push(it, it.Due())
	case expires != ttl.Forever:
		t.due.Move(it.due, it.Due())
	}
}

// Hurry makes NextDue offer the item the moment it expires, as a pinned one.
func (t *Table[X]) Hurry(it *Item[X]) {
	it.marks |= prompt
	t.SetExpires(it, it.expires)
}

// Postpone makes NextDue offer the item at a later time than Due, until its expiry changes.
// The item is one that NextDue offers.
func (t *Table[X]) Postpone(it *Item[X], until time.Duration) { t.due.Move(it.due, until) }

// Due is when NextDue offers the item, ttl.Forever if it does not. There is no overflow:
// an expiry that far away is ttl.Forever.
func (it *Item[X]) Due() time.Duration {
	if it.Has(prompt) {
		return it.expires
	}
	return min(it.expires, ttl.Forever-Linger) + Linger
}

// Use records that the item was used now: it becomes the last to be evicted.
func (t *Table[X]) Use(it *Item[X], now time.Duration) {
	it.used = uint32(now / time.Second)
	if it.newer != 0 { // not if it is pinned or the newest
		t.link(it, t.unlink(it))
	}
}

// Oldest is the unpinned item that was used longest ago, or nil.
func (t *Table[X]) Oldest() *Item[X] {
	if t.oldest == 0 {
		return nil
	}
	return t.items.at(t.oldest)
}

// NextDue is the item to be removed next because it expires, and when: a pinned or
// hurried item when it expires, an ordinary one Linger later. The item is nil if there is
// none.
func (t *Table[X]) NextDue() (it *Item[X], at time.Duration) {
	it, at, _ = t.due.Top()
	return it, at
}

// All visits every item in no particular order until visit returns false. The
// Table must not be changed meanwhile.
func (t *Table[X]) All(visit func(*Item[X]) bool) {
	for _, p := range t.items.pages {
		if !p.visit(visit) {
			return
		}
	}
}

// grow doubles the number of buckets.
func (t *Table[X]) grow() {
	old := t.buckets
	t.buckets = make([]ref, 2*len(old))
	for _, r := range old {
		for r != 0 {
			it := t.items.at(r)
			next := it.chain
			t.enter(it, r)
			r = next
		}
	}
}

// enter puts the item into its bucket.
func (t *Table[X]) enter(it *Item[X], r ref) {
	b := t.bucket(it.hash)
	it.chain = t.buckets[b]
	t.buckets[b] = r
}

func (t *Table[X]) link(it *Item[X], r ref) {
	it.older, it.newer = t.newest, 0
	if t.newest != 0 {
		t.items.at(t.newest).newer = r
	} else {
		t.oldest = r
	}
	t.newest = r
}

// unlink returns where the item is, as its neighbours know.
func (t *Table[X]) unlink(it *Item[X]) ref {
	before, behind := &t.oldest, &t.newest
	if it.older != 0 {
		before = &t.items.at(it.older).newer
	}
	if it.newer != 0 {
		behind = &t.items.at(it.newer).older
	}
	r := *before
	*before, *behind = it.newer, it.older
	it.older, it.newer = 0, 0
	return r
}

func (t *Table[X]) keepSpare(buf []byte) {
	if len(t.spare) < maxSpare && cap(buf) <= maxSpareBytes {
		t.spare = append(t.spare, buf)
	}
}

// takeSpare returns the buffer that was kept last, or nil.
func (t *Table[X]) takeSpare() []byte {
	last := len(t.spare) - 1
	if last < 0 {
		return nil
	}
	buf := t.spare[last]
	t.spare = t.spare[:last]
	return buf
}

// refit returns a buffer with room for size bytes that begins with the first
// keep bytes of buf: buf itself unless it is too small, or so large that
// keeping it would waste memory.
func refit(buf []byte, keep, size int) []byte {
	if cap(buf) < size || cap(buf) > size+min(size+64, math.MaxUint16) {
		return append(slices.Grow([]byte(nil), size), buf[:keep]...)
	}
	return buf[:keep]
}
