package transcripts_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// The binary protocol's packets. This shares no code with package protocol, so that a
// fault there cannot hide behind the same fault here.

const (
	requestMagic = 0x80
	replyMagic   = 0x81
	headerSize   = 24
)

// A number is a field of fixed width, in network order.
type number struct {
	name     string
	at, size int // where it is: offset and width in bytes
}

// headerFields are the numbers in the header of a request.
var headerFields = []number{
	{"magic", 0, 1}, {"keylen", 2, 2}, {"extlen", 4, 1}, {"datatype", 5, 1}, {"vbucket", 6, 2},
	{"bodylen", 8, 4}, {"opaque", 12, 4}, {"cas", 16, 8},
}

// put writes the number into the bytes that it is part of.
func (f number) put(b []byte, n uint64) error {
	if f.size < 8 && n>>(8*f.size) != 0 {
		return fmt.Errorf("%s=%d takes more than %d bytes", f.name, n, f.size)
	}
	for i := range f.size {
		b[f.at+i] = byte(n >> (8 * (f.size - 1 - i)))
	}
	return nil
}

// The extras of requests.
var (
	storeExtras     = []number{{"flags", 0, 4}, {"exptime", 4, 4}}
	countExtras     = []number{{"delta", 0, 8}, {"initial", 8, 8}, {"exptime", 16, 4}}
	touchExtras     = []number{{"exptime", 0, 4}}
	flushExtras     = []number{{"delay", 0, 4}}
	verbosityExtras = []number{{"level", 0, 4}}
)

// An answer tells what a reply holds when all went well.
type answer int

const (
	plain   answer = iota // no id
	stored                // the item's id
	hit                   // the id, and the flags as extras
	counted               // the id, and a number of 8 bytes as value
)

// A command is an opcode as stories name it.
type command struct {
	name   string
	extras []number // of its request
	answer answer
}

var commands = map[byte]command{
	0x00: {"get", nil, hit},
	0x01: {"set", storeExtras, stored},
	0x02: {"add", storeExtras, stored},
	0x03: {"replace", storeExtras, stored},
	0x04: {"delete", nil, plain},
	0x05: {"incr", countExtras, counted},
	0x06: {"decr", countExtras, counted},
	0x07: {"quit", nil, plain},
	0x08: {"flush", flushExtras, plain},
	0x09: {"getq", nil, hit},
	0x0a: {"noop", nil, plain},
	0x0b: {"version", nil, plain},
	0x0c: {"getk", nil, hit},
	0x0d: {"getkq", nil, hit},
	0x0e: {"append", nil, stored},
	0x0f: {"prepend", nil, stored},
	0x10: {"stat", nil, plain},
	0x11: {"setq", storeExtras, stored},
	0x12: {"addq", storeExtras, stored},
	0x13: {"replaceq", storeExtras, stored},
	0x14: {"deleteq", nil, plain},
	0x15: {"incrq", countExtras, counted},
	0x16: {"decrq", countExtras, counted},
	0x17: {"quitq", nil, plain},
	0x18: {"flushq", flushExtras, plain},
	0x19: {"appendq", nil, stored},
	0x1a: {"prependq", nil, stored},
	0x1b: {"verbosity", verbosityExtras, plain},
	0x1c: {"touch", touchExtras, hit},
	0x1d: {"gat", touchExtras, hit},
	0x1e: {"gatq", touchExtras, hit},
	0x20: {"sasl-list", nil, plain},
	0x21: {"sasl-auth", nil, plain},
	0x22: {"sasl-step", nil, plain},
	0x23: {"gatk", touchExtras, hit},
	0x24: {"gatkq", touchExtras, hit},
}

const stat = 0x10

// commandOf is the command of an opcode; those without a name are called by their number.
func commandOf(opcode byte) command {
	if c, ok := commands[opcode]; ok {
		return c
	}
	return command{name: fmt.Sprintf("0x%02x", opcode)}
}

// opcodeOf is the opcode of a name.
func opcodeOf(name string) (byte, error) {
	for opcode, c := range commands {
		if c.name == name {
			return opcode, nil
		}
	}
	n, err := strconv.ParseUint(name, 0, 8)
	if err != nil || !strings.HasPrefix(name, "0x") {
		return 0, fmt.Errorf("%q is neither a command of the binary protocol nor an opcode like 0x30", name)
	}
	return byte(n), nil
}

// A packet is a reply.
type packet struct {
	opcode             byte
	dataType           byte
	status             uint16
	opaque             uint32
	cas                uint64
	extras, key, value string
}

// parsePacket takes a reply apart. wrong tells why it is none, "" if it is.
func parsePacket(b string) (p packet, wrong string) {
	header := []byte(b[:min(len(b), headerSize)])
	if len(b) < headerSize || header[0] != replyMagic {
		return packet{}, "no packet"
	}
	extrasEnd := headerSize + int(header[4])
	keyEnd := extrasEnd + int(binary.BigEndian.Uint16(header[2:]))
	if end := packetSize([]byte(b)); end != len(b) || keyEnd > end {
		return packet{}, fmt.Sprintf("a packet of %d bytes that holds %d bytes of extras and key and says to be %d long",
			len(b), keyEnd-headerSize, end)
	}
	return packet{
		opcode:   header[1],
		dataType: header[5],
		status:   binary.BigEndian.Uint16(header[6:]),
		opaque:   binary.BigEndian.Uint32(header[12:]),
		cas:      binary.BigEndian.Uint64(header[16:]),
		extras:   b[headerSize:extrasEnd],
		key:      b[extrasEnd:keyEnd],
		value:    b[keyEnd:],
	}, ""
}

// packetSize is the length of the packet that begins with these bytes, at least a header.
func packetSize(b []byte) int {
	return headerSize + int(binary.BigEndian.Uint32(b[8:]))
}

// flags are those of a hit.
func (p packet) flags() (flags uint64, ok bool) {
	if p.status != 0 || commandOf(p.opcode).answer != hit || len(p.extras) != 4 {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32([]byte(p.extras))), true
}

// number is the answer to incr and decr.
func (p packet) number() (n uint64, ok bool) {
	if p.status != 0 || commandOf(p.opcode).answer != counted || len(p.value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64([]byte(p.value)), true
}

// part is the named part of the packet, if it has such a part.
func (p packet) part(name string) (text string, there bool) {
	var n uint64
	switch name {
	case "key":
		return p.key, true
	case "value":
		return p.value, true
	case "extras":
		return p.extras, true
	case "flags":
		n, there = p.flags()
	case "number":
		n, there = p.number()
	case "opaque":
		n, there = uint64(p.opaque), true
	}
	return strconv.FormatUint(n, 10), there
}

// String is the packet as a story writes it, with id and opaque.
func (p packet) String() string {
	text := p.story()
	if p.cas != 0 {
		text += fmt.Sprintf(" cas=%d", p.cas)
	}
	return text + fmt.Sprintf(" opaque=%d", p.opaque)
}

// story is the packet as a story writes it that cares neither for its id nor for its opaque.
func (p packet) story() string {
	words := []string{commandOf(p.opcode).name}
	field := func(name, value string) { words = append(words, name+"="+fieldText(value)) }
	if p.status != 0 {
		words = append(words, fmt.Sprintf("0x%02x", p.status))
	}
	if p.key != "" {
		field("key", p.key)
	}
	n, counted := p.number()
	switch {
	case counted:
		field("number", strconv.FormatUint(n, 10))
	case p.status != 0 && p.value != "":
		words = append(words, strconv.Quote(foldRuns(p.value)))
	case p.value != "":
		field("value", p.value)
	}
	flags, isHit := p.flags()
	switch {
	case isHit && flags != 0:
		field("flags", strconv.FormatUint(flags, 10))
	case !isHit && p.extras != "":
		field("extras", p.extras)
	}
	return strings.Join(words, " ")
}
