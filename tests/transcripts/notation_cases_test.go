package transcripts_test

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestPacketsAsTheyAreSent(t *testing.T) {
	captured := map[string]string{"id": "7"}
	tests := []struct{ text, sent string }{
		{"noop", "800a0000 00000000 00000000 01020304 0000000000000000"},
		{"get key=k opaque=5", "80000001 00000000 00000001 00000005 0000000000000000 6b"},
		{`set key=k value="a b" flags=0xdeadbeef exptime=60 cas=$id`,
			"80010001 08000000 0000000c 01020304 0000000000000007 deadbeef 0000003c 6b 612062"},
		{"incr key=k", "80050001 14000000 00000015 01020304 0000000000000000 0000000000000001 0000000000000000 00000000 6b"},
		{"decrq key=k delta=2 initial=18446744073709551615 exptime=0xffffffff",
			"80160001 14000000 00000015 01020304 0000000000000000 0000000000000002 ffffffffffffffff ffffffff 6b"},
		{"gat key=k exptime=1", "801d0001 04000000 00000005 01020304 0000000000000000 00000001 6b"},
		{"flush", "80080000 00000000 00000000 01020304 0000000000000000"},
		{"flush delay=0", "80080000 04000000 00000004 01020304 0000000000000000 00000000"},
		{"verbosity level=2", "801b0000 04000000 00000004 01020304 0000000000000000 00000002"},
		{`0x30 key=k extras="\x01\x02" value=${repeat v 3}`, "80300001 02000000 00000006 01020304 0000000000000000 0102 6b 767676"},
		{"set key=k extras=\"\" magic=1 keylen=2 extlen=3 datatype=4 vbucket=5 bodylen=6",
			"01010002 03040005 00000006 01020304 0000000000000000 6b"},
	}
	for _, test := range tests {
		notations, err := parseNotations(test.text, false)
		if err != nil {
			t.Fatalf("%s: %v", test.text, err)
		}
		sent, err := notations[0].encode(0x01020304, captured)
		if want := strings.ReplaceAll(test.sent, " ", ""); err != nil || hex.EncodeToString(sent) != want {
			t.Errorf("%s: sent %x (%v), want %s", test.text, sent, err, want)
		}
	}
}

func TestPacketsThatCannotBeWritten(t *testing.T) {
	for _, text := range []string{
		"", "bogus", "30", "0x130", "noop ;", "; noop", "get k", `get "k"`, "get key=a key=b", "get flags=1", "get status=1", "incr number=1",
		"noop key=\"", "get key=\"a\"b",
	} {
		if n, err := parseNotations(text, false); err == nil {
			t.Errorf("%s: read as %v", text, n)
		}
	}
	for _, text := range []string{"get keylen=1", "set flags=1", "get number=1", "get 0x10000", "get delta=1", "get Not found"} {
		if n, err := parseNotations(text, true); err == nil {
			t.Errorf("%s as a reply: read as %v", text, n)
		}
	}
	for _, text := range []string{"get opaque=-1", "get opaque=0x100000000", "get keylen=65536", "get key=$unknown", "get cas=x"} {
		notations, err := parseNotations(text, false)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if sent, err := notations[0].encode(1, nil); err == nil {
			t.Errorf("%s: sent %x", text, sent)
		}
	}
}

func TestPacketsAsTheyAreExpected(t *testing.T) {
	aHit := packet{opcode: 0x0c, opaque: 9, cas: 7, extras: "\x00\x00\x00\x05", key: "k", value: "a b"}
	number := packet{opcode: 0x05, cas: 7, value: "\x00\x00\x00\x00\x00\x00\x01\x00"}
	miss := packet{opcode: 0x00, status: 1, value: "Not found"}
	deleted := packet{opcode: 0x04}
	tests := []struct {
		text       string
		read       packet
		difference string
	}{
		{`getk key=k value="a b" flags=5 cas=$id opaque=9`, aHit, ""},
		{`getk key=k value=/a (?<rest>.)/ extras="\x00\x00\x00\x05" cas=/\d/`, aHit, ""},
		{`getk key=k value="a b" flags=5 cas=(new)`, packet{opcode: 0x0c, cas: 8, extras: "\x00\x00\x00\x05", key: "k", value: "a b"}, ""},
		{`getk key=k value="a b" flags=5 cas=(new)`, aHit, "the id is not a new one but $id"},
		{`getk key=k value="a b" flags=5 cas=8`, aHit, "the id is not 8"},
		{`getk key=k value="a b"`, aHit, "flags is not 0"},
		{`getk key=k value="a b" flags=5 opaque=10`, aHit, "opaque is not 10"},
		{`getk key=k flags=5`, aHit, "value is not empty"},
		{`getk value="a b" flags=5`, aHit, "key is not empty"},
		{`getkq key=k value="a b" flags=5`, aHit, "the command is not getkq"},
		{`getk 0x01 key=k`, aHit, "the status is not 0x01"},
		{`touch`, packet{opcode: 0x1c, cas: 7}, "flags is not 0"},
		{`touch`, packet{opcode: 0x1c, extras: "\x00\x00\x00\x00"}, "there is no id"},
		{`incr number=256`, number, ""},
		{`incr number=0x100 cas=7`, number, ""},
		{`incr number=1`, number, "number is not 1"},
		{`incr`, number, "value is not empty"},
		{`incr number=1`, packet{opcode: 0x05, cas: 7, value: "1"}, "number is not 1"},
		{`get 0x01 "Not found"`, miss, ""},
		{`get 0x01`, miss, "value is not empty"},
		{`delete`, deleted, ""},
		{`delete`, packet{opcode: 0x04, cas: 7}, "there should be no id"},
		{`delete`, packet{opcode: 0x04, dataType: 1}, "the data type is not 0"},
		{`delete`, packet{opcode: 0x04, extras: "x"}, "extras is not empty"},
	}
	for _, test := range tests {
		notations, err := parseNotations(test.text, true)
		if err != nil {
			t.Fatalf("%s: %v", test.text, err)
		}
		difference, err := notations[0].difference(test.read, map[string]string{"id": "7"})
		if err != nil || difference != test.difference {
			t.Errorf("%s against %v: %q (%v), want %q", test.text, test.read, difference, err, test.difference)
		}
	}
}

// What -update writes has to fit what was read.
func TestPacketsAsTheyAreWritten(t *testing.T) {
	for _, p := range []packet{
		{opcode: 0x0a},
		{opcode: 0x00, cas: 7, extras: "\xde\xad\xbe\xef", value: "a \"b\"\r\n\x00"},
		{opcode: 0x0d, cas: 7, extras: "\x00\x00\x00\x00", key: ";", value: strings.Repeat("x", 1000)},
		{opcode: 0x00, status: 1, value: "Not found"},
		{opcode: 0x0c, status: 1, key: "/k/"},
		{opcode: 0x05, cas: 7, value: "\xff\xff\xff\xff\xff\xff\xff\xff"},
		{opcode: 0x10, key: "pid", value: "17"},
		{opcode: 0x30, extras: "x", key: "k", value: "v"},
	} {
		notations, err := parseNotations(p.story(), true)
		if err != nil {
			t.Fatalf("%s: %v", p.story(), err)
		}
		if difference, err := notations[0].difference(p, nil); difference != "" || err != nil {
			t.Errorf("%s: %s (%v)", p.story(), difference, err)
		}
	}
}

// TestEveryCommandHasAStory finds commands of the binary protocol that no story sends.
func TestEveryCommandHasAStory(t *testing.T) {
	untold := maps.Clone(commands)
	for _, script := range readTranscripts(t) {
		for _, step := range script.steps {
			for _, n := range step.packets {
				delete(untold, n.opcode)
			}
		}
	}
	for _, opcode := range slices.Sorted(maps.Keys(untold)) {
		t.Errorf("no story sends a %s", untold[opcode].name)
	}
}
