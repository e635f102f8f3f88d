package protocol

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzMetaFlags parses any words as the flags of every meta command. What is accepted must be
// what the words say: no flag twice, no unknown flag, numbers and key as written.
func FuzzMetaFlags(f *testing.F) {
	for _, flags := range []string{
		"", "v", "s v t k O1", "T30 N30 R30 E7 C9", "ME W200 w p", "ME W0+ c", "ME W5++", "MD D5 J7 N0", "b k", "b b", "q I x F5",
		"T-1", "Tx", "T", "C18446744073709551615", "C18446744073709551616", "Panything Lanything", "  v   t  ", "\x7f", "~", "@",
	} {
		f.Add("Zm9v", flags)
	}
	f.Fuzz(func(t *testing.T, key, flags string) {
		for _, command := range []string{"mg ", "md ", "ma ", "me ", "ms "} {
			line := command + key
			if command == "ms " {
				line += " 3"
			}
			line += " " + flags
			var q Request
			size, err := parse([]byte(line), &q)
			if err != nil || q.Verb == MetaDebug {
				continue
			}
			if (size == noBlock) != (q.Verb != MetaSet) {
				t.Errorf("%q has a block of %d", line, size)
			}
			checkMetaFlags(t, line, &q)
		}
	})
}

// checkMetaFlags compares the parsed flags with the words in Args.
func checkMetaFlags(t *testing.T, line string, q *Request) {
	var seen uint64
	for word, rest := NextWord(q.Args); len(word) > 0; word, rest = NextWord(rest) {
		c := word[0]
		if seen&flagBit(c) != 0 {
			t.Errorf("%q was accepted with %c twice", line, c)
		}
		seen |= flagBit(c)
		if own := strings.IndexByte("Wwpd", c) >= 0; own && q.Verb != MetaSet {
			t.Errorf("%q was accepted with %c", line, c)
		}
		if c == 'O' && len(word) > 1+maxOpaque {
			t.Errorf("%q was accepted with an opaque of %d bytes", line, len(word)-1)
		}
		checkMetaNumber(t, line, word, &q.Meta)
	}
	m := &q.Meta
	if m.has != seen {
		t.Errorf("%q has flags %b, want %b", line, m.has, seen)
	}
	if len(q.Key) == 0 || len(q.Key) > MaxKey {
		t.Errorf("%q was accepted with a key of %d bytes", line, len(q.Key))
	}
	if m.Has('W') && m.Mode != 'E' {
		t.Errorf("%q waits without a claim", line)
	}
}

func checkMetaNumber(t *testing.T, line string, word []byte, m *Meta) {
	signed := map[byte]int64{'T': m.TTL, 'N': m.Vivify, 'R': m.Recache}
	unsigned := map[byte]uint64{'C': m.Compare, 'E': m.NewCAS, 'J': m.Initial, 'D': m.Delta, 'W': m.WaitMs}
	if got, ok := signed[word[0]]; ok {
		if n, valid := ParseExptime(word[1:]); !valid || n != got {
			t.Errorf("%q: %s was taken for %d", line, word, got)
		}
	}
	arg := word[1:]
	if word[0] == 'W' {
		var goesOn bool
		if arg, goesOn = bytes.CutSuffix(arg, []byte{'+'}); goesOn != m.GoesOn {
			t.Errorf("%q: %s goes on: %t", line, word, m.GoesOn)
		}
	}
	if got, ok := unsigned[word[0]]; ok {
		if n, valid := parseUint(arg); !valid || n != got {
			t.Errorf("%q: %s was taken for %d", line, word, got)
		}
	}
}
