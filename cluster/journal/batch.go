package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// batch is what one transaction writes. Its form is, with numbers in network order:
//
//	format (1)  seq (8)  revision (8)  at (8)  token (8)  CRC-32C of all but itself (4)  entries
type batch struct {
	seq      uint64        // batches of an incarnation are numbered from 1, without gaps
	revision int64         // of the map by which the incarnation served its slots
	at       time.Duration // when it was put together, on the incarnation's clock
	token    uint64        // the largest token so far
	entries  []byte
}

const (
	format     = 1
	sumAt      = 1 + 4*8
	headerSize = sumAt + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is wrapped by the errors of Read about what is not as it was written.
var errDamaged = errors.New("journal: damaged")

func (b *batch) encode() []byte {
	p := make([]byte, 0, headerSize+len(b.entries))
	p = append(p, format)
	p = binary.BigEndian.AppendUint64(p, b.seq)
	p = binary.BigEndian.AppendUint64(p, uint64(b.revision))
	p = binary.BigEndian.AppendUint64(p, uint64(b.at))
	p = binary.BigEndian.AppendUint64(p, b.token)
	p = binary.BigEndian.AppendUint32(p, sum(p, b.entries))
	return append(p, b.entries...)
}

func sum(header, entries []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, entries)
}

// decode returns a batch whose entries are a slice of p.
func decode(p []byte) (b batch, err error) {
	switch {
	case len(p) < headerSize:
		return b, fmt.Errorf("%w: %d bytes of a header", errDamaged, len(p))
	case p[0] != format:
		return b, fmt.Errorf("%w: format %d", errDamaged, p[0])
	case binary.BigEndian.Uint32(p[sumAt:]) != sum(p[:sumAt], p[headerSize:]):
		return b, fmt.Errorf("%w: the checksum is wrong", errDamaged)
	}
	return batch{
		seq:      binary.BigEndian.Uint64(p[1:]),
		revision: int64(binary.BigEndian.Uint64(p[9:])),
		at:       time.Duration(binary.BigEndian.Uint64(p[17:])),
		token:    binary.BigEndian.Uint64(p[25:]),
		entries:  p[headerSize:],
	}, nil
}

// keys are where an incarnation's journal is.
type keys struct{ prefix, incarnation string }

func (k keys) batches() string         { return k.prefix + "journal/" + k.incarnation + "/" }
func (k keys) batch(seq uint64) string { return fmt.Sprintf("%s%020d", k.batches(), seq) }
func (k keys) head() string            { return k.prefix + "head/" + k.incarnation }
func (k keys) checkpoints() string     { return k.prefix + "checkpoint/" + k.incarnation + "/" }
func (k keys) generation(gen uint64) string {
	return fmt.Sprintf("%s%020d/", k.checkpoints(), gen)
}
func (k keys) piece(gen uint64, n int) string { return fmt.Sprintf("%s%06d", k.generation(gen), n) }

// head says which checkpoint counts, and what is to be known of the time before it. It is
// written as a batch whose entries are gen and pieces.
type head struct {
	gen    uint64
	pieces int
	first  uint64 // the first batch behind the checkpoint
	at     time.Duration
	token  uint64
}

func (h *head) encode() []byte {
	gen := binary.BigEndian.AppendUint64(nil, h.gen)
	b := batch{seq: h.first, at: h.at, token: h.token, entries: binary.BigEndian.AppendUint64(gen, uint64(h.pieces))}
	return b.encode()
}

func decodeHead(p []byte) (h head, err error) {
	b, err := decode(p)
	if err == nil && len(b.entries) != 16 {
		err = fmt.Errorf("%w: a head of %d bytes", errDamaged, len(b.entries))
	}
	if err != nil {
		return h, err
	}
	return head{
		gen:    binary.BigEndian.Uint64(b.entries),
		pieces: int(binary.BigEndian.Uint64(b.entries[8:])),
		first:  b.seq,
		at:     b.at,
		token:  b.token,
	}, nil
}
