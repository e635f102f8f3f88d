package protocol

import (
	"bytes"
	"encoding/binary"
)

// packet is the header of a request in the binary protocol. Lengths are in bytes.
type packet struct {
	opcode byte
	extras int
	key    int
	body   int // extras, key and value
	cas    uint64
}

func readPacket(header []byte) packet {
	return packet{
		opcode: header[1],
		key:    int(binary.BigEndian.Uint16(header[2:])),
		extras: int(header[4]),
		body:   int(binary.BigEndian.Uint32(header[8:])),
		cas:    binary.BigEndian.Uint64(header[16:]),
	}
}

// beforeValue is the length of all that comes before the value.
func (p *packet) beforeValue() int { return headerSize + p.extras + p.key }

func (p *packet) value() int { return p.body - p.extras - p.key }

// nextPacket is Next for the binary protocol.
func (r *Reader) nextPacket(q *Request) error {
	b := r.buf[r.r:r.w]
	if len(b) < headerSize {
		return ErrShort
	}
	if b[0] != requestMagic {
		return ErrBadMagic
	}
	p := readPacket(b)
	form := r.form(p.opcode)
	*q = Request{} // in place: a literal with more in it would be made elsewhere and copied
	q.Head = packetHead(form, b)
	if fault := r.checkPacket(&p, form); fault != nil {
		return r.refusePacket(&p, q, fault)
	}
	fault := ErrTooLarge
	limit := r.maxSize
	if form.verb == Login {
		fault, limit = ErrNoMemory, maxLogin
	}
	switch {
	case p.value() > limit:
		if len(b) < p.beforeValue() {
			return ErrShort
		}
		p.fill(q, b[:p.beforeValue()])
		r.consume(p.beforeValue())
		return r.skipBlock(q, p.value(), fault)
	case len(b) < headerSize+p.body:
		r.want = headerSize + p.body
		return ErrShort
	}
	p.fill(q, b[:headerSize+p.body])
	r.consume(headerSize + p.body)
	switch q.Verb {
	case Login:
		return r.sasl(p.opcode, q)
	case Stats:
		return statWords(q)
	}
	return nil
}

// form is how the packets with an opcode look. Without logins nobody can use SASL.
func (r *Reader) form(opcode byte) *command {
	form := &commands[opcode]
	if (form.verb == Login || form.verb == Mechanisms) && !r.logins {
		return &command{}
	}
	return form
}

// checkPacket returns what is wrong with the form of a packet. As in memcached, a client that
// has yet to log in is told nothing else.
func (r *Reader) checkPacket(p *packet, form *command) *Fault {
	switch {
	case p.body > maxBody:
		return errPacket
	case p.value() < 0:
		return errPacketLength
	case r.locked && form.verb != Version && form.verb != Mechanisms && form.verb != Login:
		return errPacketLogin
	case p.key > MaxKey:
		return errPacket
	case form.verb == 0:
		return errOpcode
	case p.extras != int(form.extras) && (form.verb != FlushAll || p.extras > 0):
		return errPacket
	case p.key == 0 && form.key == needsKey, p.key > 0 && form.key == noKey:
		return errPacket
	case p.value() > 0 && !form.value:
		return errPacket
	}
	return nil
}

// refusePacket returns the fault of a packet. If the connection goes on the rest of the packet
// is skipped; otherwise the fault is told once all up to the value has arrived, as by memcached.
func (r *Reader) refusePacket(p *packet, q *Request, fault *Fault) error {
	if !fault.Ends {
		r.consume(headerSize)
		return r.skipBlock(q, p.body, fault)
	}
	before := min(p.beforeValue(), headerSize+p.body)
	switch {
	case before > bufferSize:
		return ErrLongPacket
	case r.Buffered() < before:
		return ErrShort
	}
	r.consume(before)
	return fault
}

// fill copies into q what b, a packet with or without its value, says beyond its header.
func (p *packet) fill(q *Request, b []byte) {
	extras := b[headerSize : headerSize+p.extras]
	value := b[p.beforeValue():len(b):len(b)]
	q.Key = b[headerSize+p.extras : p.beforeValue()]
	q.CAS = p.cas
	switch q.Verb {
	case Get:
		q.Args = q.Key
	case Gat:
		q.Args = q.Key
		q.Exptime = readExptime(extras)
	case Touch:
		q.Exptime = readExptime(extras)
	case Set, Add, Replace:
		q.Value = value
		q.Flags = binary.BigEndian.Uint32(extras)
		q.Exptime = readExptime(extras[4:])
		q.Unprintable = !printable(q.Key)
	case Append, Prepend, Login:
		q.Value = value
	case Incr, Decr:
		q.Delta = binary.BigEndian.Uint64(extras)
		q.Initial = binary.BigEndian.Uint64(extras[8:])
		q.Exptime = readExptime(extras[16:])
		q.Create = q.Exptime != createNothing
		q.Unprintable = !printable(q.Key)
	case FlushAll:
		if len(extras) > 0 {
			q.Exptime = readExptime(extras)
		}
	}
}

// createNothing is the exptime with which increment and decrement do not create a number.
const createNothing = 0xffffffff

func readExptime(b []byte) int64 { return int64(binary.BigEndian.Uint32(b)) }

// printable reports whether the text protocol can name the key.
func printable(key []byte) bool {
	for _, c := range key {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// statWords puts what the text protocol would have after the word stats into Args. As in
// memcached, reset and settings may have anything behind them, and some words are unknown that
// the text protocol has.
func statWords(q *Request) error {
	q.Args = q.Key
	switch {
	case bytes.HasPrefix(q.Key, []byte("reset")):
		q.Args = q.Key[:len("reset")]
	case bytes.HasPrefix(q.Key, []byte("settings")):
		q.Args = q.Key[:len("settings")]
	case bytes.HasPrefix(q.Key, []byte("conns")), bytes.HasPrefix(q.Key, []byte("cachedump")):
		return ErrNoStats
	}
	return nil
}
