package protocol

import (
	"encoding/base64"
	"io"
	"strconv"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Writer collects replies. Its methods append; Flush sends. Not safe for
// concurrent use.
type Writer struct {
	pooled *[bufferSize]byte
	buf    []byte
}

// Buffered is the number of bytes that have not been flushed.
func (w *Writer) Buffered() int { return len(w.buf) }

// Bytes are the replies not yet flushed.
func (w *Writer) Bytes() []byte { return w.buf }

// Flush sends the collected replies in one Write and gives the buffer back. What could not
// be sent is dropped, since the connection is then useless. It returns what Write returns.
func (w *Writer) Flush(to io.Writer) (n int, err error) {
	if len(w.buf) == 0 {
		return 0, nil
	}
	n, err = to.Write(w.buf)
	w.Drop()
	return n, err
}

// Drop discards the collected replies and gives the buffer back.
func (w *Writer) Drop() {
	if w.pooled != nil {
		buffers.Put(w.pooled)
	}
	w.pooled, w.buf = nil, nil
}

// room returns the buffer to append to.
func (w *Writer) room() []byte {
	if w.buf == nil {
		w.pooled = buffers.Get().(*[bufferSize]byte)
		w.buf = w.pooled[:0]
	}
	return w.buf
}

// Line appends a reply of one line.
func (w *Writer) Line(s string) {
	w.buf = append(append(w.room(), s...), "\r\n"...)
}

func (w *Writer) number(n uint64) {
	w.buf = append(strconv.AppendUint(w.room(), n, 10), "\r\n"...)
}

func (w *Writer) value(key []byte, flags uint32, value []byte) {
	w.valueLine(key, flags, len(value))
	w.block(value)
}

// valueCAS is value with the item's id, for gets and gats.
func (w *Writer) valueCAS(key []byte, flags uint32, value []byte, cas uint64) {
	w.valueLine(key, flags, len(value))
	w.buf = strconv.AppendUint(append(w.buf, ' '), cas, 10)
	w.block(value)
}

func (w *Writer) valueLine(key []byte, flags uint32, size int) {
	b := append(append(w.room(), "VALUE "...), key...)
	b = strconv.AppendUint(append(b, ' '), uint64(flags), 10)
	w.buf = strconv.AppendInt(append(b, ' '), int64(size), 10)
}

func (w *Writer) block(value []byte) {
	b := append(append(w.buf, "\r\n"...), value...)
	w.buf = append(b, "\r\n"...)
}

func (w *Writer) stat(name, value string) {
	b := append(append(w.room(), "STAT "...), name...)
	b = append(append(b, ' '), value...)
	w.buf = append(b, "\r\n"...)
}

// The replies to meta commands are built in pieces: Meta begins one, the others
// append to it, EndMeta or MetaBlock ends it.

// Meta begins a reply with its two-letter word.
func (w *Writer) Meta(word string) { w.buf = append(w.room(), word...) }

// MetaSize appends the length of the value, which VA needs.
func (w *Writer) MetaSize(n int) { w.buf = strconv.AppendInt(append(w.buf, ' '), int64(n), 10) }

// MetaUint appends a return flag with a number.
func (w *Writer) MetaUint(flag byte, n uint64) {
	w.buf = strconv.AppendUint(append(w.buf, ' ', flag), n, 10)
}

// MetaInt is MetaUint for a number that can be negative.
func (w *Writer) MetaInt(flag byte, n int64) {
	w.buf = strconv.AppendInt(append(w.buf, ' ', flag), n, 10)
}

// MetaWord appends a word as it is.
func (w *Writer) MetaWord(word []byte) { w.buf = append(append(w.buf, ' '), word...) }

// MetaMark appends a flag without an argument.
func (w *Writer) MetaMark(flag byte) { w.buf = append(w.buf, ' ', flag) }

// MetaKey appends the return flag k. A binary key is written as base64, followed by the flag b.
func (w *Writer) MetaKey(key []byte, binary bool) {
	w.buf = append(w.buf, ' ', 'k')
	if binary {
		w.buf = append(base64.StdEncoding.AppendEncode(w.buf, key), " b"...)
		return
	}
	w.buf = append(w.buf, key...)
}

// EndMeta ends a reply without a value.
func (w *Writer) EndMeta() { w.buf = append(w.buf, "\r\n"...) }

// MetaBlock ends a reply with its value.
func (w *Writer) MetaBlock(value []byte) { w.block(value) }

// Raw appends bytes that already have the form of a reply.
func (w *Writer) Raw(s []byte) {
	if len(s) > 0 {
		w.buf = append(w.room(), s...)
	}
}

// Truncate drops all but the first n bytes that have not been flushed.
func (w *Writer) Truncate(n int) { w.buf = w.buf[:n] }
