package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A frame is its length in bytes (4, without these), its kind (1), an id (8) and what its kind
// needs. Numbers are in network order. Strings have their length (2) before them; what stands last
// has none.
type kind uint8

const (
	hello    kind = iota + 1 // first on a connection; id is its number. Version (2), the sender, whom it wants to reach
	call                     // id of the call; session (8), claim (16), waited (8), client, the request
	reply                    // id of the call; outcome (1), granted (1), token (8), the reply
	hurry                    // id of the call: its client has sent more
	cancel                   // id of the call: its client has gone
	endOf                    // id of a session, whose client has gone
	withdraw                 // id of the call; the token of a grant (8), its key
	flush                    // id of the call; delay (8)
	hears                    // id of the call; an incarnation. The reply is granted if that one is heard
	beat                     // id is any number
	answer                   // to a beat, with the same id
)

const (
	version    = 2
	headerSize = 4 + 1 + 8
	// maxFrame is the largest frame, in bytes: the largest item that a server can be told to
	// store (1 GiB) does not pass, but all that it accepts by default and much more.
	maxFrame = 64 << 20
)

var (
	errFrame    = errors.New("link: a frame that does not fit its kind")
	errTooLarge = fmt.Errorf("link: a frame of more than %d bytes", maxFrame)
)

// frame is a frame that was read. body is valid until the next one is read.
type frame struct {
	kind kind
	id   uint64
	body []byte
}

// appendFrame appends a frame whose body is what fill appends.
func appendFrame(b []byte, k kind, id uint64, fill func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(k))
	b = binary.BigEndian.AppendUint64(b, id)
	if fill != nil {
		b = fill(b)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// frameReader reads frames from a connection.
type frameReader struct {
	from io.Reader
	buf  []byte
}

// next reads a frame.
func (r *frameReader) next() (f frame, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r.from, header[:]); err != nil {
		return f, err
	}
	size := int(binary.BigEndian.Uint32(header[:])) - (headerSize - 4)
	switch {
	case size < 0:
		return f, errFrame
	case size > maxFrame:
		return f, errTooLarge
	}
	if cap(r.buf) > keptBuffer && size <= keptBuffer {
		r.buf = nil
	}
	if err := r.fill(size); err != nil {
		return f, err
	}
	return frame{kind(header[4]), binary.BigEndian.Uint64(header[5:]), r.buf}, nil
}

// fill reads so many bytes. The buffer grows as they arrive, not because a frame announces them.
func (r *frameReader) fill(size int) error {
	r.buf = r.buf[:0]
	for len(r.buf) < size {
		n := min(size-len(r.buf), max(len(r.buf), minBuffer))
		r.buf = slices.Grow(r.buf, n)
		piece := r.buf[len(r.buf) : len(r.buf)+n]
		if _, err := io.ReadFull(r.from, piece); err != nil {
			return err
		}
		r.buf = r.buf[:len(r.buf)+n]
	}
	return nil
}

// Sizes of a reader's buffer, in bytes. A larger one than keptBuffer is given up once it is not
// needed any more.
const (
	minBuffer  = 4 << 10
	keptBuffer = 64 << 10
)

// body takes apart what a frame's kind needs. After the first failure all values are zero.
type body struct {
	left []byte
	bad  bool
}

func (b *body) take(n int) []byte {
	if b.bad || len(b.left) < n {
		b.bad = true
		return make([]byte, n)
	}
	s := b.left[:n]
	b.left = b.left[n:]
	return s
}

func (b *body) byte() byte     { return b.take(1)[0] }
func (b *body) uint16() uint16 { return binary.BigEndian.Uint16(b.take(2)) }
func (b *body) uint64() uint64 { return binary.BigEndian.Uint64(b.take(8)) }
func (b *body) text() string   { return string(b.take(int(b.uint16()))) }

func (b *body) duration() time.Duration { return time.Duration(b.uint64()) }

// err returns errFrame if something was missing.
func (b *body) err() error {
	if b.bad {
		return errFrame
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
