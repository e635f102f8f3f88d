package protocol

import (
	"bytes"
	"math"
	"sync"
)

// bufferSize is the size, in bytes, of the buffer that a connection reads into. A request up
// to that size is parsed in place.
const bufferSize = 16 << 10

// Reader reads requests from a stream of bytes. Bytes go in through Space and Advance;
// requests come out of Next. Its memory is bounded. It has a buffer of 16 KiB while bytes are
// unread or a request has begun. A larger buffer is only for the data block of the present
// request, grows as its bytes arrive, and counts towards the Allowance.
//
// The zero value is not ready; use NewReader. Not safe for concurrent use.
type Reader struct {
	*input  // nil while there is none
	maxSize int
	shared  *Allowance // for a buf that has grown

	dialects  Dialects
	began     bool // something was consumed, so the dialect is known
	packets   bool // it is the binary protocol
	logins    bool // clients can log in
	locked    bool // this one must, and has not
	saslBegun bool // the credentials follow in a packet of their own
}

// input is what a Reader needs while bytes are unread or a request has begun.
type input struct {
	array   *[bufferSize]byte
	buf     []byte   // array, or larger
	r, w    int      // buf[r:w] is unread
	from    int      // where the request that Next takes begins
	want    int      // the least bytes of the request at buf[r], 0 if unknown
	skip    int      // bytes of a refused data block still to be skipped
	refused *refusal // of the present request, nil if it is not refused
	long    longGet
}

var inputs = sync.Pool{New: func() any {
	array := new([bufferSize]byte)
	return &input{array: array, buf: array[:]}
}}

// Dialects are the protocols that a Reader understands.
type Dialects uint8

// A client chooses with its first byte if it can; 0x80 begins a packet of the binary protocol.
const (
	TextAndBinary Dialects = iota
	TextOnly
	BinaryOnly
)

// longGet is the state of a get whose line is longer than the buffer.
type longGet struct {
	exptime  int64
	verb     Verb
	dropping bool // after a fault: skip the rest of the line
}

// refusal is a request that will be refused once its data block has been skipped. memcached
// does the same, because a client that is still sending does not read.
type refusal struct {
	fault error
	q     Request
	line  []byte // what comes before the data block
	told  bool   // Next has returned it
}

func newRefusal(fault error, q *Request, line []byte) *refusal {
	return &refusal{
		fault: fault,
		q:     Request{Head: q.Head, Key: bytes.Clone(q.Key), Meta: q.Meta},
		line:  bytes.Clone(line),
	}
}

// NewReader returns a Reader that refuses data blocks of more than maxSize bytes.
func NewReader(maxSize int) Reader { return Reader{maxSize: maxSize} }

// Speak restricts the Reader to some dialects.
func (r *Reader) Speak(d Dialects) { r.dialects = d }

// Share makes the Reader refuse data blocks that need more memory than a has left.
func (r *Reader) Share(a *Allowance) { r.shared = a }

// Space returns where to put the next bytes; it is never empty. Call Advance with how many
// were put there.
func (r *Reader) Space() []byte {
	if r.input == nil {
		r.input = inputs.Get().(*input)
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
		r.shrink()
	}
	switch {
	case r.w < len(r.buf):
	case r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	case !r.grow():
		r.giveUp()
	}
	return r.buf[r.w:]
}

// grow makes room for a data block that does not fit. It doubles the buffer, so that a client
// gets memory only for what it has sent. It reports false if the Allowance is used up.
func (r *Reader) grow() bool {
	size := min(2*len(r.buf), max(r.want, len(r.buf)+1))
	if !r.shared.Take(size) {
		return false
	}
	bigger := make([]byte, size)
	copy(bigger, r.buf[:r.w])
	r.shrink()
	r.buf = bigger
	return true
}

// shrink gives back a buffer that has grown.
func (r *Reader) shrink() {
	if len(r.buf) > bufferSize {
		r.shared.Give(len(r.buf))
		r.buf = r.array[:]
	}
}

// giveUp refuses the present request, because there is no memory for its data block.
func (r *Reader) giveUp() {
	var q Request
	line := r.reparse(&q)
	r.skip = r.r + r.want - r.w
	r.refused = newRefusal(ErrNoMemory, &q, line)
	r.consume(r.Buffered())
	r.r, r.w = 0, 0
	r.shrink()
}

// reparse reads again what comes before the data block of the present request, and returns it.
// That was parsed before, so it cannot fail.
func (r *Reader) reparse(q *Request) []byte {
	b := r.buf[r.r:r.w]
	if r.packets {
		p := readPacket(b)
		q.Head = packetHead(r.form(p.opcode), b)
		p.fill(q, b)
		return b[:p.beforeValue()]
	}
	end := bytes.IndexByte(b, '\n')
	_, _ = parse(bytes.TrimSuffix(b[:end], []byte{'\r'}), q)
	return b[:end+1]
}

// Advance records that n bytes were put into Space.
func (r *Reader) Advance(n int) { r.w += n }

// Buffered is the number of bytes not yet taken by Next.
func (r *Reader) Buffered() int {
	if r.input == nil {
		return 0
	}
	return r.w - r.r
}

// Release gives the buffer back unless a request has begun, so that an idle connection has none.
func (r *Reader) Release() {
	if !r.Unfinished() {
		r.Close()
	}
}

// Close gives the buffer back, whatever is in it.
func (r *Reader) Close() {
	in := r.input
	if in == nil {
		return
	}
	r.shrink()
	in.r, in.w, in.want, in.skip, in.refused, in.long = 0, 0, 0, 0, nil, longGet{}
	inputs.Put(in)
	r.input = nil
}

// InData reports whether the Reader needs more bytes of a data block.
func (r *Reader) InData() bool { return r.input != nil && (r.want > 0 || r.skip > 0) }

// Unfinished reports whether a request has begun but not ended.
func (r *Reader) Unfinished() bool {
	return r.Buffered() > 0 || r.InData() || r.input != nil && (r.long.verb != 0 || r.long.dropping)
}

// Next takes the next request. It returns ErrShort if the request has not arrived completely,
// and a *Fault if it is not valid; q then has Verb, Key and NoReply as far as they could be
// read. After any other error the connection must be closed.
func (r *Reader) Next(q *Request) error {
	if r.input == nil {
		return ErrShort
	}
	r.from = r.r
	if r.refused != nil && r.refused.told {
		r.refused = nil
	}
	if !r.began && r.w > r.r {
		if err := r.choose(); err != nil {
			return err
		}
	}
	switch {
	case r.refused != nil:
		return r.refuse(q)
	case r.w-r.r < r.want:
		return ErrShort
	case r.packets:
		return r.nextPacket(q)
	case r.locked:
		return r.nextLogin(q)
	case r.long.verb != 0 || r.long.dropping:
		return r.nextPiece(q)
	}
	return r.nextLine(q)
}

// choose finds out which dialect the client speaks. As in memcached, somebody who speaks text
// to a server without it is hung up on once the bytes could have been a header.
func (r *Reader) choose() error {
	isPacket := r.buf[r.r] == requestMagic
	switch {
	case r.dialects != BinaryOnly:
		r.packets = isPacket && r.dialects != TextOnly
	case isPacket:
		r.packets = true
	case r.Buffered() < headerSize:
		return ErrShort
	default:
		return ErrText
	}
	return nil
}

// nextLine is Next for the text protocol.
func (r *Reader) nextLine(q *Request) error {
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
			return r.skipBlock(q, size+2, err)
		}
		return err
	}
	if size >= 0 {
		return r.block(q, end+1, size)
	}
	r.consume(end + 1)
	return nil
}

// skipBlock skips the next n bytes, which belong to a refused request, whatever is in them.
func (r *Reader) skipBlock(q *Request, n int, fault error) error {
	r.skip = n
	r.refused = newRefusal(fault, q, r.buf[r.from:r.r])
	return r.refuse(q)
}

// block takes a data block of size bytes, which follows a line of lineLen bytes.
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

// refuse skips what has arrived of a refused data block. It returns the fault once the whole
// block has been skipped, ErrShort before.
func (r *Reader) refuse(q *Request) error {
	n := min(r.skip, r.w-r.r)
	r.r += n
	r.skip -= n
	if r.skip > 0 {
		return ErrShort
	}
	*q, r.refused.told = r.refused.q, true
	return r.refused.fault
}

// Text is the request that Next has just taken, as the client sent it. If Next has refused the
// data block, it is what comes before that. The slice belongs to the Reader; a get in pieces has
// no text.
func (r *Reader) Text() []byte {
	if r.refused != nil {
		return r.refused.line
	}
	return r.buf[r.from:r.r]
}

// CutShort is called instead of Next, when the rest of the request will not come because
// another Reader has refused its data block: this one refuses it, too.
func (r *Reader) CutShort(q *Request) error {
	if r.input == nil {
		return ErrShort
	}
	if r.refused == nil {
		if !r.inValue() {
			return ErrShort
		}
		r.giveUp()
	}
	r.skip = 0
	return r.refuse(q)
}

// inValue reports whether all that comes before the data block has arrived.
func (r *Reader) inValue() bool {
	if r.want == 0 || !r.packets {
		return r.want > 0
	}
	p := readPacket(r.buf[r.r:r.w])
	return r.Buffered() >= p.beforeValue()
}

// unfinished handles a line whose end has not arrived. A get may have any length; every other
// line is limited to MaxLine.
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
	// Return the complete keys as one piece; the rest of the line follows.
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

// nextPiece takes the next piece of a long get.
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
	*q = Request{Head: Head{Verb: r.long.verb}, Exptime: r.long.exptime, Continued: true, More: end < 0}
	used := end + 1
	if end >= 0 {
		line = bytes.TrimSuffix(line[:end], []byte{'\r'})
	} else {
		// A full buffer without a space is a single long key, which checkKeys refuses.
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

// isHTTP reports whether line is an HTTP request line: of a browser, or of an attack through
// one.
func isHTTP(line []byte) bool {
	i := bytes.LastIndexByte(line, ' ')
	return i >= 0 && bytes.HasPrefix(line[i+1:], []byte("HTTP/"))
}

// maxBlock is the largest length, in bytes, of a data block that a request may name.
const maxBlock = math.MaxInt32 - 2
