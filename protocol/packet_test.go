package protocol

import (
	"encoding/binary"
	"strings"
	"testing"
)

// testPacket is a request of the binary protocol. The lengths in its header are true unless
// more, key or body says otherwise.
type testPacket struct {
	op                 byte
	extras, key, value string
	opaque             uint32
	cas                uint64
	keyLength, body    int // instead of the true ones, if not 0
}

// String is the packet as it is sent.
func (p testPacket) String() string {
	b := make([]byte, headerSize)
	b[0], b[1] = requestMagic, p.op
	keyLength, body := p.keyLength, p.body
	if keyLength == 0 {
		keyLength = len(p.key)
	}
	if body == 0 {
		body = len(p.extras) + len(p.key) + len(p.value)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(keyLength))
	b[4] = byte(len(p.extras))
	binary.BigEndian.PutUint32(b[8:], uint32(body))
	binary.BigEndian.PutUint32(b[12:], p.opaque)
	binary.BigEndian.PutUint64(b[16:], p.cas)
	return string(b) + p.extras + p.key + p.value
}

// storing, counting and number32 are extras.

func storing(flags, exptime uint32) string { return number32(flags) + number32(exptime) }

func counting(delta, initial uint64, exptime uint32) string {
	b := binary.BigEndian.AppendUint64(nil, delta)
	return string(binary.BigEndian.AppendUint64(b, initial)) + number32(exptime)
}

func number32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// packetScript has every opcode, and how each is shown.
var packetScript = []struct{ input, want string }{
	{testPacket{op: opGet, key: "a b"}.String(), `get "a b" ["a b"]`},
	{testPacket{op: opGetQ, key: "a"}.String(), `get "a" ["a"] quiet`},
	{testPacket{op: opGetK, key: "a"}.String(), `get "a" ["a"]`},
	{testPacket{op: opGetKQ, key: "a"}.String(), `get "a" ["a"] quiet`},
	{testPacket{op: opGAT, key: "a", extras: number32(10)}.String(), `gat "a" exptime=10 ["a"]`},
	{testPacket{op: opGATQ, key: "a", extras: number32(10)}.String(), `gat "a" exptime=10 ["a"] quiet`},
	{testPacket{op: opGATK, key: "a", extras: number32(10)}.String(), `gat "a" exptime=10 ["a"]`},
	{testPacket{op: opGATKQ, key: "a", extras: number32(1<<32 - 1)}.String(), `gat "a" exptime=4294967295 ["a"] quiet`},
	{testPacket{op: opTouch, key: "a", extras: number32(10)}.String(), `touch "a" exptime=10`},
	{testPacket{op: opSet, key: "a", extras: storing(1, 2), value: "abc", cas: 4}.String(),
		`set "a" flags=1 exptime=2 cas=4 value="abc"`},
	{testPacket{op: opSetQ, key: "a", extras: storing(1, 2)}.String(), `set "a" flags=1 exptime=2 value="" quiet`},
	{testPacket{op: opAdd, key: "a\nb", extras: storing(1<<32-1, 0), value: "\x00"}.String(),
		`add "a\nb" flags=4294967295 value="\x00" unprintable`},
	{testPacket{op: opAddQ, key: "a", extras: storing(0, 2), value: "x"}.String(), `add "a" exptime=2 value="x" quiet`},
	{testPacket{op: opReplace, key: "a", extras: storing(0, 0), value: "x"}.String(), `replace "a" value="x"`},
	{testPacket{op: opReplaceQ, key: "a", extras: storing(0, 0), value: "x"}.String(), `replace "a" value="x" quiet`},
	{testPacket{op: opAppend, key: "a", value: "x"}.String(), `append "a" value="x"`},
	{testPacket{op: opAppendQ, key: "a", value: "x"}.String(), `append "a" value="x" quiet`},
	{testPacket{op: opPrepend, key: "a", value: "x", cas: 1 << 63}.String(), `prepend "a" cas=9223372036854775808 value="x"`},
	{testPacket{op: opPrependQ, key: "a", value: "x"}.String(), `prepend "a" value="x" quiet`},
	{testPacket{op: opDelete, key: "a", cas: 7}.String(), `delete "a" cas=7`},
	{testPacket{op: opDeleteQ, key: "a"}.String(), `delete "a" quiet`},
	{testPacket{op: opIncrement, key: "a", extras: counting(5, 6, 7)}.String(), `incr "a" exptime=7 delta=5 initial=6`},
	{testPacket{op: opIncrementQ, key: "a", extras: counting(5, 6, 0xfffffffe)}.String(),
		`incr "a" exptime=4294967294 delta=5 initial=6 quiet`},
	{testPacket{op: opDecrement, key: "a", extras: counting(5, 6, 0xffffffff)}.String(), `decr "a" exptime=4294967295 delta=5`},
	{testPacket{op: opDecrementQ, key: "a", extras: counting(5, 0, 0)}.String(), `decr "a" delta=5 initial=0 quiet`},
	{testPacket{op: opFlush}.String(), `flush_all`},
	{testPacket{op: opFlush, extras: number32(10)}.String(), `flush_all exptime=10`},
	{testPacket{op: opFlushQ}.String(), `flush_all quiet`},
	{testPacket{op: opStat}.String(), `stats []`},
	{testPacket{op: opStat, key: "lock a"}.String(), `stats "lock a" ["lock a"]`},
	{testPacket{op: opStat, key: "resetfoo"}.String(), `stats "resetfoo" ["reset"]`},
	{testPacket{op: opStat, key: "settings and more"}.String(), `stats "settings and more" ["settings"]`},
	{testPacket{op: opStat, key: "conns"}.String(), ErrNoStats.Error()},
	{testPacket{op: opStat, key: "cachedump 1 10"}.String(), ErrNoStats.Error()},
	{testPacket{op: opNoop, opaque: 7}.String(), `mn`},
	{testPacket{op: opVersion}.String(), `version`},
	{testPacket{op: opQuit}.String(), `quit`},
	{testPacket{op: opQuitQ}.String(), `quit quiet`},
}

func TestPackets(t *testing.T) {
	for _, tt := range packetScript {
		for _, size := range []int{len(tt.input), 1, 7} {
			r := NewReader(1 << 20)
			wantLines(t, feed(&r, pieces(tt.input, size)...), tt.want)
		}
	}
}

// Behind a packet whose fault does not end the connection, the next one is read from its beginning.
func TestPacketFaults(t *testing.T) {
	long := strings.Repeat("k", MaxKey)
	noop := testPacket{op: opNoop}.String()
	const goesOn = "mn"
	for _, tt := range []struct {
		name   string
		packet testPacket
		want   *Fault
	}{
		{"longest-key", testPacket{op: opGet, key: long}, nil},
		{"value-too-large", testPacket{op: opSet, key: "k", extras: storing(0, 0), value: strings.Repeat("v", fuzzMax+1)}, ErrTooLarge},
		{"value-of-stat", testPacket{op: opStat, value: "abc"}, nil},
		{"value-of-touch", testPacket{op: opTouch, key: "k", extras: number32(1), value: noop}, nil},
		{"value-of-gat", testPacket{op: opGAT, key: "k", extras: number32(1), value: "abc"}, nil},
		{"unknown", testPacket{op: 0x30}, errOpcode},
		{"unknown-with-value", testPacket{op: 0x40, value: strings.Repeat("v", 2*bufferSize)}, errOpcode},
		{"unknown-with-all", testPacket{op: 0xff, extras: "e", key: "k", value: noop}, errOpcode},
		{"verbosity", testPacket{op: 0x1b, extras: number32(1)}, errOpcode},
		{"sasl-without-logins", testPacket{op: opSASLAuth, key: "PLAIN", value: "\x00u\x00p"}, errOpcode},

		{"no-key", testPacket{op: opGet}, errPacket},
		{"key-too-long", testPacket{op: opGet, key: long + "k"}, errPacket},
		{"key-of-noop", testPacket{op: opNoop, key: "k"}, errPacket},
		{"key-of-flush", testPacket{op: opFlush, key: "k"}, errPacket},
		{"value-of-get", testPacket{op: opGet, key: "k", value: "v"}, errPacket},
		{"value-of-delete", testPacket{op: opDelete, key: "k", value: "v"}, errPacket},
		{"value-of-incr", testPacket{op: opIncrement, key: "k", extras: counting(1, 1, 1), value: "v"}, errPacket},
		{"value-of-version", testPacket{op: opVersion, value: "v"}, errPacket},
		{"extras-of-get", testPacket{op: opGet, extras: "e", key: "k"}, errPacket},
		{"extras-missing", testPacket{op: opSet, key: "k", value: "v"}, errPacket},
		{"extras-of-flush", testPacket{op: opFlush, extras: "12345"}, errPacket},
		{"extras-of-stat", testPacket{op: opStat, extras: "e"}, errPacket},
		{"body-shorter-than-key", testPacket{op: opGet, key: "key", body: 2}, errPacketLength},
		{"body-shorter-than-extras-and-key", testPacket{op: opSet, extras: storing(0, 0), key: "k", body: 8}, errPacketLength},
		{"body-too-large", testPacket{op: opSet, extras: storing(0, 0), key: "k", body: maxBody + 1}, errPacket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			input := tt.packet.String() + noop
			for _, size := range []int{len(input), 1, 100} {
				r := NewReader(fuzzMax)
				got := feed(&r, pieces(input, size)...)
				switch {
				case tt.want == nil && (len(got) != 2 || got[1] != goesOn):
					t.Errorf("got %q", got)
				case tt.want != nil && (len(got) == 0 || got[0] != tt.want.Error()):
					t.Errorf("got %q, want %q", got, tt.want)
				case tt.want != nil && !tt.want.Ends && (len(got) != 2 || got[1] != goesOn):
					t.Errorf("behind the fault: got %q", got)
				}
			}
		})
	}
}

// What is wrong is told when all up to the value has arrived, not before.
func TestPacketFaultWaitsForTheKey(t *testing.T) {
	r := NewReader(fuzzMax)
	packet := testPacket{op: opGet, key: strings.Repeat("k", 300)}.String()
	wantLines(t, feed(&r, packet[:len(packet)-1]))
	wantLines(t, feed(&r, packet[len(packet)-1:]), errPacket.Error())

	r = NewReader(fuzzMax)
	wantLines(t, feed(&r, testPacket{op: opGet, keyLength: bufferSize, body: bufferSize}.String()), ErrLongPacket.Error())
}

func TestChoiceOfDialect(t *testing.T) {
	noop := testPacket{op: opNoop}.String()
	for _, tt := range []struct {
		name     string
		dialects Dialects
		input    string
		want     []string
	}{
		{"both-packet", TextAndBinary, noop, []string{"mn"}},
		{"both-text", TextAndBinary, "mn\r\n", []string{"mn []"}},
		{"both-reply-magic", TextAndBinary, "\x81abc\n", []string{"ERROR"}},
		{"text-then-packet", TextAndBinary, "mn\r\n" + "\x80abc\n", []string{"mn []", "ERROR"}},
		{"packet-then-text", TextAndBinary, noop + "mn" + strings.Repeat("\r\n", headerSize), []string{"mn", ErrBadMagic.Error()}},
		{"text-only", TextOnly, "\x80abc\n", []string{"ERROR"}},
		{"binary-only", BinaryOnly, noop, []string{"mn"}},
		{"binary-only-text", BinaryOnly, "version\r\nversion\r\nversi", nil},
		{"binary-only-more-text", BinaryOnly, "version\r\nversion\r\nversion\r\n", []string{ErrText.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.input), 1} {
				r := NewReader(fuzzMax)
				r.Speak(tt.dialects)
				wantLines(t, feed(&r, pieces(tt.input, size)...), tt.want...)
			}
		})
	}
}

// A value for which there is no memory is refused, and the key is still known.
func TestPacketWithoutMemory(t *testing.T) {
	r := NewReader(fuzzMax)
	r.Share(NewAllowance(bufferSize))
	set := testPacket{op: opSet, extras: storing(0, 0), key: "k", value: strings.Repeat("v", fuzzMax)}.String()
	var q Request
	err := ErrShort
	for rest := set; rest != "" && err == ErrShort; err = r.Next(&q) {
		n := copy(r.Space(), rest)
		r.Advance(n)
		rest = rest[n:]
	}
	if err != ErrNoMemory || q.Verb != Set || string(q.Key) != "k" {
		t.Errorf("%v, %s", err, show(&q, nil))
	}
	wantLines(t, feed(&r, testPacket{op: opNoop}.String()), "mn")
}
