package journal

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// What is written is what earlier versions wrote and later ones have to read. Only an entry
// with the id of a claim is new to earlier versions, which refuse it.
func TestEntryFormat(t *testing.T) {
	for _, tt := range []struct {
		name  string
		entry Entry
		hex   string
	}{
		{"end", Entry{Kind: End, Key: []byte("k"), Token: 258, Chosen: true}, "42 01 0201000000000000 6b"},
		{
			"put",
			Entry{Kind: Put, Key: []byte("k"), Value: []byte("v"), Flags: 3, Token: 258, Since: time.Microsecond, Expires: 2 * time.Microsecond, Binary: true},
			"81 01 0201000000000000 6b 03000000 e803000000000000 d007000000000000 01000000 76",
		},
		{
			"put-of-a-claim",
			Entry{Kind: Put, Key: []byte("k"), Value: []byte("v"), Flags: 3, Token: 258, Since: time.Microsecond, Expires: 2 * time.Microsecond, Claim: [16]byte{1, 15: 2}},
			"21 01 0201000000000000 6b 03000000 e803000000000000 d007000000000000 01000000 01000000000000000000000000000002 76",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got := tt.entry.appendTo(nil)
			if !bytes.Equal(got, want) {
				t.Errorf("is written as\n%x, want\n%x", got, want)
			}
			var e Entry
			rest, err := e.decode(append(got, "next"...))
			if err != nil || string(rest) != "next" || e.Kind != tt.entry.Kind || string(e.Key) != "k" || describe(&e) != describe(&tt.entry) {
				t.Errorf("is read as %+v, %q is left, %v", e, rest, err)
			}
			for n := range got {
				if _, err := e.decode(got[:n]); err == nil {
					t.Errorf("%d bytes of %d are an entry", n, len(got))
				}
			}
		})
	}
	if _, err := new(Entry).decode([]byte("\x22\x01\x02\x01\x00\x00\x00\x00\x00\x00k0123456789abcdef")); err == nil {
		t.Error("an end has the id of a claim")
	}
}
