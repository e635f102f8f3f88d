package store

import (
	"bytes"
	"time"
	"unsafe"
)

// Item is one entry of a Table. Its key never changes; the rest is changed
// through the Table, which keeps its indexes and its count of bytes right. X is what the
// layer above attaches; the Table only carries it.
//
// Value, Key and the Item itself are only good until the item is removed: the Table
// reuses its memory.
type Item[X any] struct {
	data    *byte  // the key, then the value: one allocation for both, see bytes
	size    uint32 // of key and value
	hash    uint32 // upper half of the key's hash, to rehash and to compare without touching data
	chain   ref    // next in the same hash bucket
	slack   uint16 // bytes allocated beyond size
	keyLen  uint8
	marks   Marks
	expires time.Duration // on the owner's clock; ttl.Forever if it does not
	cas     uint64        // never 0 while in a Table
	due     int32         // index in the expiry heap, -1 if not there
	older   ref           // neighbours by last use; 0 while pinned
	newer   ref
	used    uint32 // last use, whole seconds on the owner's clock
	Flags   uint32 // the client's flags
	Tag     uint32 // the layer above's, 0 at first

	Attached X
}

// Marks are the one-bit facts about an item that the protocol can show.
type Marks uint8

// The marks of an item.
const (
	Fetched Marks = 1 << iota // read since it was stored
	Stale                     // invalidated, kept for clients that can use an old value
	Won                       // a client was told to recache it
	Binary                    // the key came as base64 and is shown as such
	Flushed                   // expired by a flush
	Pinned                    // never evicted
	prompt                    // NextDue offers it the moment it expires
	Spent                     // of no use once it has expired
)

// bytes is the key, then the value: a slice, which is kept in 14 bytes instead of 24. Only Key,
// bytes and setBytes know how.
func (it *Item[X]) bytes() []byte { return unsafe.Slice(it.data, it.room())[:it.size] }

// setBytes is for a slice with a capacity as refit returns it.
func (it *Item[X]) setBytes(b []byte) {
	it.data, it.size, it.slack = unsafe.SliceData(b), uint32(len(b)), uint16(cap(b)-len(b))
}

// room is how many bytes are allocated for key and value.
func (it *Item[X]) room() int { return int(it.size) + int(it.slack) }

// Key is the item's key, 1 to 250 bytes.
func (it *Item[X]) Key() []byte { return unsafe.Slice(it.data, it.keyLen) }

// Value is the item's value, possibly empty.
func (it *Item[X]) Value() []byte { return it.bytes()[it.keyLen:] }

// CAS is the id of the item's present version.
func (it *Item[X]) CAS() uint64 { return it.cas }

// SetCAS gives the present version another id.
func (it *Item[X]) SetCAS(id uint64) { it.cas = id }

// Expires is when the item ends, on the owner's clock; ttl.Forever if it does not.
func (it *Item[X]) Expires() time.Duration { return it.expires }

// Has reports whether all of the marks are set.
func (it *Item[X]) Has(m Marks) bool { return it.marks&m == m }

// Mark sets marks. Pinned is decided by Table.Insert.
func (it *Item[X]) Mark(m Marks) { it.marks |= m &^ (Pinned | prompt) }

// Clear removes marks, but not Pinned.
func (it *Item[X]) Clear(m Marks) { it.marks &^= m &^ (Pinned | prompt) }

// Clone returns a copy that shares no memory with the item and belongs to no Table. Nothing is
// attached to it.
func (it *Item[X]) Clone() *Item[X] {
	c := &Item[X]{cas: it.cas, expires: it.expires, due: -1, used: it.used, Flags: it.Flags, keyLen: it.keyLen, marks: it.marks}
	c.setBytes(bytes.Clone(it.bytes()))
	return c
}

// LastUse is when the item was last used, in whole seconds on the owner's clock.
func (it *Item[X]) LastUse() time.Duration { return time.Duration(it.used) * time.Second }

// Size is the memory that the item takes, in bytes: the struct, key and value as
// allocated, and its share of the Table's indexes.
func (it *Item[X]) Size() int64 {
	return int64(unsafe.Sizeof(*it)) + int64(it.room()) + indexBytes
}

// indexBytes is an item's share of a page's header, of the hash buckets (4 to 8 bytes) and of
// the expiry heap (a time and a pointer).
const indexBytes = 24

// SetIndex is for the Table's heap.
func (it *Item[X]) SetIndex(i int32) { it.due = i }
