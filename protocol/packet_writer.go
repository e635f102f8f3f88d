package protocol

import (
	"encoding/binary"
	"strings"
)

// header appends the header of a reply in the binary protocol. Lengths are in bytes.
func (w *Writer) header(h *Head, s status, extras, key, value int, cas uint64) {
	var b [headerSize]byte
	b[0], b[1] = replyMagic, h.opcode
	binary.BigEndian.PutUint16(b[2:], uint16(key))
	b[4] = byte(extras)
	binary.BigEndian.PutUint16(b[6:], uint16(s))
	binary.BigEndian.PutUint32(b[8:], uint32(extras+key+value))
	copy(b[12:], h.opaque[:])
	binary.BigEndian.PutUint64(b[16:], cas)
	w.buf = append(w.room(), b[:]...)
}

func (w *Writer) uint32(n uint32) { w.buf = binary.BigEndian.AppendUint32(w.buf, n) }

func (w *Writer) uint64(n uint64) { w.buf = binary.BigEndian.AppendUint64(w.buf, n) }

// text appends a reply that consists of a text.
func (w *Writer) text(h *Head, s status, text string) {
	w.header(h, s, 0, 0, len(text), 0)
	w.buf = append(w.buf, text...)
}

// failure appends a reply that tells a fault.
func (w *Writer) failure(h *Head, f *Fault) {
	s := f.status
	if f == NotStored {
		s = notStored(h.Verb)
	}
	if s == 0 {
		s, text := statusOfLine(f.Line)
		w.text(h, s, text)
		return
	}
	if f == ErrNoMemory && h.Verb != Login {
		w.text(h, s, "Out of memory allocating item")
		return
	}
	w.text(h, s, statusTexts[s])
}

// notStored is the status of a storage command that found the key taken, or missing.
func notStored(verb Verb) status {
	switch verb {
	case Add:
		return statusExists
	case Replace:
		return statusNotFound
	}
	return statusNotStored
}

// statusOfLine turns a line of the text protocol into a status and the text beside it, for the
// faults that memcached does not have.
func statusOfLine(line string) (status, string) {
	if text, ok := strings.CutPrefix(line, "SERVER_ERROR "); ok {
		return statusInternal, text
	}
	return statusInvalid, strings.TrimPrefix(line, "CLIENT_ERROR ")
}
