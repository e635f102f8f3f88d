package protocol

import (
	"bytes"
	"encoding/base64"
	"math"
)

// Meta has the flags of a meta command. Flags that only ask for something in the reply are in
// Request.Args, in the order of the reply.
type Meta struct {
	has uint64 // flags present: bit c-'@' for the letter c

	TTL     int64  // T: exptime of the item
	Vivify  int64  // N: exptime of a placeholder made on a miss
	Recache int64  // R: win if less than this is left, as an exptime
	Compare uint64 // C: only if the item's CAS id is this one
	NewCAS  uint64 // E: the CAS id to set
	Initial uint64 // J: the number that ma starts with
	Delta   uint64 // D: step of ma, 1 if not given
	Mode    byte   // M: upper-case mode letter, 0 if not given
	WaitMs  uint64 // W: how long a claim may wait, in milliseconds
	GoesOn  bool   // W with a plus sign: the client will continue to wait after that
}

// Limits of the meta commands.
const (
	maxMetaWords = 20 // words of a line, including command and key
	maxOpaque    = 31 // bytes after the O
)

// Has reports whether the flag was given.
func (m *Meta) Has(flag byte) bool { return m.has&flagBit(flag) != 0 }

func flagBit(c byte) uint64 { return 1 << (c - '@') }

// parseMeta reads "<key> <flags>*".
func parseMeta(args []byte, q *Request) error {
	q.Key, q.Args = NextWord(args)
	if len(q.Key) == 0 {
		return ErrBadFormat
	}
	err := parseMetaFlags(q, 2)
	switch {
	case q.Verb != MetaArith:
		return err
	case err == nil:
		return checkArithMode(&q.Meta)
	case err == ErrBadOpaque:
		return err
	}
	return ErrArithFlag
}

// parseMetaDebug reads "<key> [b]" and ignores everything else.
func parseMetaDebug(args []byte, q *Request) error {
	q.Key, q.Args = NextWord(args)
	if len(q.Key) == 0 || len(q.Key) > MaxKey {
		return ErrBadFormat
	}
	if word, _ := NextWord(q.Args); string(word) == "b" && q.decodeKey() != nil {
		return ErrBadFormat
	}
	return nil
}

// parseMetaSet reads "<key> <length> <flags>*".
func parseMetaSet(args []byte, q *Request) (size int, err error) {
	var length []byte
	q.Key, args = NextWord(args)
	length, q.Args = NextWord(args)
	n, ok := parseInt(length)
	if !ok || n < 0 || n > maxBlock {
		return noBlock, ErrBadFormat
	}
	if err := parseMetaFlags(q, 3); err != nil {
		return int(n), err
	}
	return int(n), checkSetMode(&q.Meta)
}

func checkSetMode(m *Meta) error {
	if m.Has('W') && m.Mode != 'E' {
		return ErrBadFlag // only a claim can wait
	}
	if !m.Has('M') {
		return nil
	}
	switch m.Mode {
	case 'E', 'A', 'P', 'R', 'S':
		return nil
	}
	return ErrMetaMode
}

func checkArithMode(m *Meta) error {
	if !m.Has('M') {
		return nil
	}
	switch m.Mode {
	case 'I', '+', 'D', '-':
		return nil
	}
	return ErrArithMode
}

// parseMetaFlags reads the flags in q.Args; words is how many words precede them. As in
// memcached, a duplicate or an unknown flag is reported at once, a bad number only if no
// such flag follows, and an opaque that is too long only if nothing else is wrong.
func parseMetaFlags(q *Request, words int) error {
	m := &q.Meta
	m.Delta = 1
	if len(q.Key) > MaxKey {
		return ErrBadFormat
	}
	var later error
	for rest := q.Args; ; {
		var word []byte
		if word, rest = NextWord(rest); len(word) == 0 {
			break
		}
		if words++; words > maxMetaWords {
			return ErrManyFlags
		}
		c := word[0]
		if c < '@' || c > 'z' {
			return ErrBadFlag
		}
		if m.Has(c) {
			return ErrTwice
		}
		m.has |= flagBit(c)
		switch fault := m.flag(c, word[1:], q); {
		case fault == ErrBadFlag:
			return fault
		case later != nil && (fault == ErrBadOpaque || fault == ErrBadFormat):
		case fault != nil:
			later = fault
		}
	}
	return later
}

// flag reads the argument of one flag.
func (m *Meta) flag(c byte, arg []byte, q *Request) error {
	var ok bool
	switch c {
	case 'b':
		return q.decodeKey()
	case 'T':
		m.TTL, ok = ParseExptime(arg)
	case 'N':
		m.Vivify, ok = ParseExptime(arg)
	case 'R':
		m.Recache, ok = ParseExptime(arg)
	case 'C':
		m.Compare, ok = parseUint(arg)
	case 'E':
		m.NewCAS, ok = parseUint(arg)
	case 'F':
		var n uint64
		if n, ok = parseUint(arg); !ok || n > math.MaxUint32 {
			return ErrBadFormat
		}
		q.Flags = uint32(n)
	case 'J':
		if m.Initial, ok = parseUint(arg); !ok {
			return ErrBadInitial
		}
	case 'D':
		if m.Delta, ok = parseUint(arg); !ok {
			return ErrBadMetaStep
		}
	case 'M':
		if len(arg) > 0 {
			m.Mode = arg[0]
		}
		return nil
	case 'O':
		if len(arg) > maxOpaque {
			return ErrBadOpaque
		}
		return nil
	case 'I', 'k', 's', 't', 'c', 'f', 'v', 'l', 'h', 'u', 'q', 'x', 'P', 'L':
		return nil
	default:
		return m.ownFlag(c, arg, q)
	}
	if !ok {
		return ErrBadToken
	}
	return nil
}

// ownFlag reads a flag that memcached does not have. Only ms can have these.
func (m *Meta) ownFlag(c byte, arg []byte, q *Request) error {
	if q.Verb != MetaSet {
		return ErrBadFlag
	}
	switch c {
	case 'w', 'p', 'd':
		return nil
	case 'W':
		var ok bool
		arg, m.GoesOn = bytes.CutSuffix(arg, []byte{'+'})
		if m.WaitMs, ok = parseUint(arg); !ok {
			return ErrBadToken
		}
		return nil
	}
	return ErrBadFlag
}

// decodeKey replaces the base64 text of the key by the key. It allocates, because the line
// must stay as it is: it is parsed again if its data block arrives later.
func (q *Request) decodeKey() error {
	key, err := base64.StdEncoding.AppendDecode(nil, q.Key)
	if err != nil || len(key) == 0 {
		return ErrBadKey
	}
	q.Key = key
	return nil
}
