package protocol

import (
	"bytes"
	"math"
	"sync"
)

// bufferSize is what a connection reads into; a request up to that size is
// parsed where it arrived.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Reader takes requests out of a stream of bytes. Bytes go in through Space and
// Advance, requests come out of Next. Its memory is bounded: a buffer of 16 KiB
// while something is unread, and beyond that no more than the data block of the
// request at hand, only as its bytes arrive, and only while the Allowance lasts.
//
// The zero value is not ready; use NewReader. Not safe for concurrent use.
type Reader struct {
	pooled  *[bufferSize]byte // what buf is, unless it had to grow
	buf     []byte
	r, w    int // buf[r:w] is unread
	want    int // bytes that the request at buf[r] takes at least
	skip    int // bytes of a refused data block still to be dropped
	refused *refusal
	maxSize int
	shared  *Allowance // for what buf has grown to
	began   bool       // something was parsed; the first byte tells the protocol
	long    longGet
}

// longGet is what is kept of a get whose line is longer than the buffer.
type longGet struct {
	exptime  int32
	verb     Verb
	dropping bool // the rest of the line is only read over, after a fault
}

// refusal is a request that is refused when its data block has been dropped, as
// memcached does: a client that is still sending does not read.
type refusal struct {
	fault error
	q     Request
}

func newRefusal(fault error, q *Request) *refusal {
	return &refusal{fault, Request{Verb: q.Verb, NoReply: q.NoReply, Key: bytes.Clone(q.Key), Meta: q.Meta}}
}

// NewReader returns a Reader that refuses data blocks over maxSize bytes.
func NewReader(maxSize int) Reader { return Reader{maxSize: maxSize} }

// Share makes the Reader refuse data blocks for which the Allowance is not enough.
func (r *Reader) Share(a *Allowance) { r.shared = a }

// Space is where the next bytes go; it is never empty. Advance tells how many
// were put there.
func (r *Reader) Space() []byte {
	if r.r == r.w {
		r.r, r.w = 0, 0
		if r.pooled == nil {
			r.dropBuffer() // which had grown, or was not there
		}
	}
	switch {
	case r.buf == nil || r.w < len(r.buf):
	case r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	case !r.grow():
		r.giveUp()
	}
	if r.buf == nil {
		r.pooled = buffers.Get().(*[bufferSize]byte)
		r.buf = r.pooled[:]
	}
	return r.buf[r.w:]
}

// grow makes room for a data block that does not fit. It doubles, so that a
// client gets memory only for what it has sent. It reports whether there is any.
func (r *Reader) grow() bool {
	size := min(2*len(r.buf), max(r.want, len(r.buf)+1))
	if !r.shared.Take(size) {
		return false
	}
	bigger := make([]byte, size)
	copy(bigger, r.buf[:r.w])
	r.dropBuffer()
	r.buf = bigger
	return true
}

// giveUp refuses the request at hand, for whose data block there is no memory.
func (r *Reader) giveUp() {
	var q Request
	line, _, _ := bytes.Cut(r.buf[:r.w], []byte{'\n'})
	_, _ = parse(bytes.TrimSuffix(line, []byte{'\r'}), &q) // as before
	r.skip = r.want - r.w
	r.refused = newRefusal(ErrNoMemory, &q)
	r.consume(r.w)
	r.r, r.w = 0, 0
	r.dropBuffer()
}

// Advance says that n bytes were put into Space.
func (r *Reader) Advance(n int) { r.w += n }

// Buffered is the number of bytes not yet taken by Next.
func (r *Reader) Buffered() int { return r.w - r.r }

// Release gives the buffer back if nothing is in it, so that an idle connection
// holds none.
func (r *Reader) Release() {
	if r.r == r.w && r.buf != nil {
		r.dropBuffer()
		r.r, r.w = 0, 0
	}
}

func (r *Reader) dropBuffer() {
	if r.pooled != nil {
		buffers.Put(r.pooled)
		r.pooled = nil
	} else {
		r.shared.Give(len(r.buf))
	}
	r.buf = nil
}

// Close gives the buffer back, whatever is in it.
func (r *Reader) Close() {
	r.dropBuffer()
	r.r, r.w = 0, 0
}

// InData reports whether the beginning of a data block was read, but not its end.
func (r *Reader) InData() bool { return r.want > 0 || r.skip > 0 }

// Unfinished reports whether a part of a request was read, but not its end.
func (r *Reader) Unfinished() bool {
	return r.w > r.r || r.InData() || r.long.verb != 0 || r.long.dropping
}

// Next takes the next request. It returns ErrShort when there is none as a
// whole yet, a *Fault for what is not a request (q then tells Verb, Key and
// NoReply as far as they were understood), and any other error when the
// connection has to be closed.
func (r *Reader) Next(q *Request) error {
	if r.refused != nil {
		return r.refuse(q)
	}
	if r.w-r.r < r.want {
		return ErrShort
	}
	if r.long.verb != 0 || r.long.dropping {
		return r.nextPiece(q)
	}
	if !r.began && r.w > r.r && r.buf[r.r] == 0x80 {
		return ErrBinary
	}
	end := bytes.IndexByte(r.buf[r.r:r.w], '\n')
	if end < 0 {
		return r.unfinished(q)
	}
	line := r.buf[r.r : r.r+end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	*q = Request{}
	size, err := parse(line, q)
	if err == ErrUnknown && !r.began && isHTTP(line) {
		return ErrHTTP
	}
	if err == nil && size >= 0 && size > r.maxSize {
		err = ErrTooLarge
	}
	if err != nil {
		r.consume(end + 1)
		if size >= 0 {
			// The block of a refused request is swallowed whatever is in it.
			r.skip = size + 2
			r.refused = newRefusal(err, q)
			return r.refuse(q)
		}
		return err
	}
	if size >= 0 {
		return r.block(q, end+1, size)
	}
	r.consume(end + 1)
	return nil
}

// block takes the data block of size bytes behind the line of lineLen bytes.
func (r *Reader) block(q *Request, lineLen, size int) error {
	total := lineLen + size + 2
	if r.w-r.r < total {
		r.want = total
		return ErrShort
	}
	data := r.buf[r.r+lineLen : r.r+total]
	r.consume(total)
	if data[size] != '\r' || data[size+1] != '\n' {
		return ErrBadChunk
	}
	q.Value = data[:size:size]
	return nil
}

func (r *Reader) consume(n int) {
	r.r += n
	r.want = 0
	r.began = true
}

// refuse throws away what has arrived of a refused data block, and returns the
// fault when that was all of it.
func (r *Reader) refuse(q *Request) error {
	n := min(r.skip, r.w-r.r)
	r.r += n
	r.skip -= n
	if r.skip > 0 {
		return ErrShort
	}
	fault := r.refused.fault
	*q, r.refused = r.refused.q, nil
	return fault
}

// unfinished judges a line whose end has not arrived: a get may be of any
// length, everything else is short.
func (r *Reader) unfinished(q *Request) error {
	line := r.buf[r.r:r.w]
	if len(line) <= MaxLine {
		return ErrShort
	}
	verb := wordVerb(firstWord(line))
	if verb != Get && verb != Gets && verb != Gat && verb != Gats {
		return ErrLineTooLong
	}
	if len(line) < bufferSize {
		return ErrShort
	}
	// Answer the keys that are complete and go on with the line.
	last := bytes.LastIndexByte(line, ' ')
	*q = Request{}
	if _, err := parse(line[:last], q); err != nil {
		r.long.dropping = true
		r.consume(len(line))
		return err
	}
	q.More = true
	r.long = longGet{verb: verb, exptime: q.Exptime}
	r.consume(last + 1)
	return nil
}

// nextPiece goes on with the line of a long get.
func (r *Reader) nextPiece(q *Request) error {
	line := r.buf[r.r:r.w]
	end := bytes.IndexByte(line, '\n')
	if r.long.dropping {
		if end < 0 {
			r.consume(len(line))
			return ErrShort
		}
		r.long = longGet{}
		r.consume(end + 1)
		return r.Next(q)
	}
	if end < 0 && len(line) < bufferSize {
		return ErrShort
	}
	*q = Request{Verb: r.long.verb, Exptime: r.long.exptime, Continued: true, More: end < 0}
	used := end + 1
	if end >= 0 {
		line = bytes.TrimSuffix(line[:end], []byte{'\r'})
	} else {
		// A full buffer without a space is one endless key, which checkKeys refuses.
		used = bytes.LastIndexByte(line, ' ') + 1
		if used == 0 {
			used = len(line)
		}
		line = line[:used]
	}
	r.consume(used)
	if err := checkKeys(line); err != nil {
		r.long = longGet{dropping: end < 0}
		return err
	}
	q.Args = line
	if end >= 0 {
		r.long = longGet{}
	}
	return nil
}

// isHTTP recognises the request line of a browser or of an attack through one.
func isHTTP(line []byte) bool {
	i := bytes.LastIndexByte(line, ' ')
	return i >= 0 && bytes.HasPrefix(line[i+1:], []byte("HTTP/"))
}

// maxBlock is the largest length of a data block that can be read as one.
const maxBlock = math.MaxInt32 - 2
