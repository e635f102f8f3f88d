//go:build linux

package main

import "encoding/binary"

// The header of a packet.
const (
	headerSize = 24
	statusAt   = 6
	opaqueAt   = 12 // the reply's is the request's
	opaqueSize = 4
	casAt      = 16
	casSize    = 8
)

const (
	magicRequest = 0x80
	magicReply   = 0x81
)

type opcode byte

const (
	opGet    opcode = 0x00
	opSet    opcode = 0x01
	opAdd    opcode = 0x02
	opDelete opcode = 0x04
)

type status uint16

const (
	statusOK     status = 0x00
	statusExists status = 0x02
)

// noFlags is an item's client flags as they stand in a packet.
const noFlags = "\x00\x00\x00\x00"

// binaryDialect is the binary protocol. It leaves out the quiet commands, so
// that each request is answered, as in text.
type binaryDialect struct{}

func (binaryDialect) add(key string, holder int) exchange {
	return binaryStorage(opAdd, key, lease, holderName(holder), statusOK, "")
}

func (binaryDialect) refusedAdd(key string, claimer int) exchange {
	return binaryStorage(opAdd, key, lease, holderName(claimer), statusExists, "Data exists for key.")
}

func (binaryDialect) set(key, value string) exchange {
	return binaryStorage(opSet, key, 0, value, statusOK, "")
}

func binaryStorage(op opcode, key string, exptime uint32, value string, s status, text string) exchange {
	extras := binary.BigEndian.AppendUint32([]byte(noFlags), exptime)
	return exchange{
		request: packet(magicRequest, op, 0, string(extras), key, value),
		reply:   packet(magicReply, op, s, "", "", text),
		binary:  true,
	}
}

func (binaryDialect) get(key, value string) exchange {
	return exchange{
		request: packet(magicRequest, opGet, 0, "", key, ""),
		reply:   packet(magicReply, opGet, statusOK, noFlags, "", value),
		binary:  true,
	}
}

func (d binaryDialect) release(key string, _ int) exchange { return d.remove(key) }

func (binaryDialect) remove(key string) exchange {
	return exchange{
		request: packet(magicRequest, opDelete, 0, "", key, ""),
		reply:   packet(magicReply, opDelete, statusOK, "", "", ""),
		binary:  true,
	}
}

// packet returns a packet whose opaque and CAS are zero.
func packet(magic byte, op opcode, s status, extras, key, value string) string {
	body := extras + key + value
	p := make([]byte, headerSize, headerSize+len(body))
	p[0], p[1] = magic, byte(op)
	binary.BigEndian.PutUint16(p[2:], uint16(len(key)))
	p[4] = byte(len(extras))
	binary.BigEndian.PutUint16(p[statusAt:], uint16(s))
	binary.BigEndian.PutUint32(p[8:], uint32(len(body)))
	return string(append(p, body...))
}

// numbered returns e with an opaque that tells it from the others of its
// batch. No two of its bytes are the same, so that a swap would be noticed.
func (e exchange) numbered(n int) exchange {
	opaque := string([]byte{0xc3, 0x5a, 0x96, byte(n)})
	e.request = e.request[:opaqueAt] + opaque + e.request[opaqueAt+opaqueSize:]
	e.reply = e.reply[:opaqueAt] + opaque + e.reply[opaqueAt+opaqueSize:]
	return e
}
