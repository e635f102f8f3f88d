package journal

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Kind is what became of a lock.
type Kind uint8

// The kinds of entries.
const (
	Put Kind = iota + 1 // it is held, as the entry says
	End                 // its hold ended
)

// MaxEntryKey is the length of the longest key that fits into an entry, in bytes: an
// entry has one byte for it. Keys from the wire are shorter, see protocol.MaxKey.
const MaxEntryKey = math.MaxUint8

// Entry is what became of one lock: its whole new state. Times are on the
// journal's clock, see Journal.Now.
type Entry struct {
	Kind    Kind
	Key     []byte        // 1 to MaxEntryKey bytes
	Value   []byte        // the holder's name
	Flags   uint32        // the client's
	Token   uint64        // CAS id of the present version; with End, of the one that ended
	Chosen  bool          // a client chose the Token: it does not count towards the largest
	Since   time.Duration // when it was granted; below 0 if that was before the machine started
	Expires time.Duration // end of the lease, or ttl.Forever
	Binary  bool          // the key came as base64
	Claim   [16]byte      // in a cluster: the id of the claim that was granted; otherwise 0
	// Moot says that nobody is misled if the entry is lost: Doubtful ignores it. Moot is
	// not written.
	Moot bool
}

var errEntry = errors.New("journal: not an entry")

const (
	kindBits  = 0x1f
	claimBit  = 0x20 // the id of the claim follows
	chosenBit = 0x40
	binaryBit = 0x80

	shortEntry = 1 + 1 + 8     // kind, length of the key, token
	putEntry   = 4 + 8 + 8 + 4 // flags, since, expires, length of the value
)

// appendTo encodes the entry: all numbers have a fixed size, little-endian. An End has
// nothing after its key. A Put without the id of a claim has no room for it, so that one
// server writes what versions without clusters can read.
func (e *Entry) appendTo(b []byte) []byte {
	kind := byte(e.Kind)
	if e.Binary {
		kind |= binaryBit
	}
	if e.Chosen {
		kind |= chosenBit
	}
	claimed := e.Kind == Put && e.Claim != [16]byte{}
	if claimed {
		kind |= claimBit
	}
	b = append(b, kind, byte(len(e.Key)))
	b = binary.LittleEndian.AppendUint64(b, e.Token)
	b = append(b, e.Key...)
	if e.Kind == End {
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, e.Flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Since))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Expires))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Value)))
	if claimed {
		b = append(b, e.Claim[:]...)
	}
	return append(b, e.Value...)
}

// decode takes the first entry from b and returns the rest. Key and Value are
// slices of b.
func (e *Entry) decode(b []byte) (rest []byte, err error) {
	if len(b) < shortEntry || len(b) < shortEntry+int(b[1]) {
		return nil, errEntry
	}
	claimed := b[0]&claimBit != 0
	*e = Entry{
		Kind:   Kind(b[0] & kindBits),
		Binary: b[0]&binaryBit != 0,
		Chosen: b[0]&chosenBit != 0,
		Token:  binary.LittleEndian.Uint64(b[2:]),
		Key:    b[shortEntry : shortEntry+int(b[1])],
	}
	b = b[shortEntry+len(e.Key):]
	switch {
	case len(e.Key) == 0, claimed && e.Kind != Put:
		return nil, errEntry
	case e.Kind == End:
		return b, nil
	case e.Kind != Put || len(b) < putEntry:
		return nil, errEntry
	}
	e.Flags = binary.LittleEndian.Uint32(b)
	e.Since = time.Duration(binary.LittleEndian.Uint64(b[4:]))
	e.Expires = time.Duration(binary.LittleEndian.Uint64(b[12:]))
	size := binary.LittleEndian.Uint32(b[20:])
	b = b[putEntry:]
	if claimed {
		if len(b) < len(e.Claim) {
			return nil, errEntry
		}
		b = b[copy(e.Claim[:], b):]
	}
	if uint64(size) > uint64(len(b)) {
		return nil, errEntry
	}
	e.Value = b[:size]
	return b[size:], nil
}
