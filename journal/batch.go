package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// preface is the first record of a segment.
type preface struct {
	version  byte   // of the format
	number   uint64 // the segment's own, from 1
	after    uint64 // the segment that it continues, 0 if there is none
	afterEnd int64  // where that one ends: all of it is on the disk
	// gap says that something is missing between the two, because the disk failed: the
	// segment is worth nothing before its checkpoint is complete.
	gap    bool
	tokens uint64 // the largest so far, also of locks that are not held any more
	at     Moment // with the BootID of all of the segment
}

const (
	magic   = "lockcached journal\n"
	version = 2

	// unmarked is the format in which an id that a client chose looks like a token.
	unmarked = 1

	prefaceSize = len(magic) + 1 + 1 + 8*6 // version, gap, and six numbers
)

var (
	errPreface = errors.New("journal: not a preface")
	errBatch   = errors.New("journal: not a batch")
)

func (p *preface) encode() []byte {
	b := append([]byte(magic), version, bit(p.gap))
	for _, n := range []uint64{p.number, p.after, uint64(p.afterEnd), p.tokens, uint64(p.at.Boot), uint64(p.at.Wall.UnixNano())} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return append(b, p.at.BootID...)
}

// decode reads a preface. A preface of another version is ErrCorrupt, not errPreface, so
// that it is not taken for a torn tail.
func (p *preface) decode(b []byte) error {
	if len(b) < prefaceSize || !bytes.HasPrefix(b, []byte(magic)) {
		return errPreface
	}
	b = b[len(magic):]
	if b[0] != version && b[0] != unmarked {
		return fmt.Errorf("%w: format %d is neither %d nor %d, which this version reads: use the version that wrote it", ErrCorrupt, b[0], unmarked, version)
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[2+8*i:]) }
	*p = preface{
		version:  b[0],
		number:   number(0),
		after:    number(1),
		afterEnd: int64(number(2)),
		gap:      b[1] != 0,
		tokens:   number(3),
		at:       moment(string(b[2+8*6:]), number(4), number(5)),
	}
	return nil
}

// head begins every batch; entries follow.
type head struct {
	complete bool   // the checkpoint that began the segment is
	offset   int64  // where in the segment the batch begins
	synced   int64  // up to where the segment was on the disk before
	at       Moment // BootID is the segment's
}

const headSize = 1 + 8*4

func (h *head) appendTo(b []byte) []byte {
	b = append(b, bit(h.complete))
	for _, n := range [...]uint64{uint64(h.offset), uint64(h.synced), uint64(h.at.Boot), uint64(h.at.Wall.UnixNano())} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// decode reads the head of a batch and returns the batch's entries.
func (h *head) decode(b []byte, bootID string) (entries []byte, err error) {
	if len(b) < headSize || b[0] > 1 {
		return nil, errBatch
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[1+8*i:]) }
	*h = head{
		complete: b[0] == 1,
		offset:   offsetOf(b),
		synced:   int64(number(1)),
		at:       moment(bootID, number(2), number(3)),
	}
	return b[headSize:], nil
}

// offsetOf is the offset of a head that is not checked yet.
func offsetOf(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b[1:])) }

func moment(bootID string, boot, wall uint64) Moment {
	return Moment{BootID: bootID, Boot: time.Duration(boot), Wall: time.Unix(0, int64(wall))}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
