package protocol

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// feed gives chunks to a Reader, one after the other, and returns what it yields
// as lines of text.
func feed(r *Reader, chunks ...string) (got []string) {
	for _, chunk := range chunks {
		for len(chunk) > 0 {
			n := copy(r.Space(), chunk)
			r.Advance(n)
			chunk = chunk[n:]
			more, open := drain(r)
			got = append(got, more...)
			if !open {
				return got
			}
		}
	}
	return got
}

// drain takes what a Reader has, and reports whether the connection stays open.
func drain(r *Reader) (got []string, open bool) {
	for {
		var q Request
		err := r.Next(&q)
		if err == ErrShort {
			return got, true
		}
		got = append(got, show(&q, err))
		if _, fault := err.(*Fault); err != nil && !fault {
			return got, false
		}
	}
}

// wantLines compares what a Reader yielded.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// script has every command once, and what each of them is.
var script = []struct{ input, want string }{
	{"get a b\r\n", `get ["a" "b"]`},
	{"gets a\r\n", `gets ["a"]`},
	{"gat 10 a b\r\n", `gat exptime=10 ["a" "b"]`},
	{"gats 10 a\r\n", `gats exptime=10 ["a"]`},
	{"set a 1 2 3\r\nabc\r\n", `set "a" flags=1 exptime=2 value="abc"`},
	{"add a 1 2 0\r\n\r\n", `add "a" flags=1 exptime=2 value=""`},
	{"replace a 1 2 4\r\n\r\n\r\n\r\n", `replace "a" flags=1 exptime=2 value="\r\n\r\n"`},
	{"append a 1 2 2 noreply\r\n\x00\xff\r\n", `append "a" flags=1 exptime=2 value="\x00\xff" noreply`},
	{"prepend a 1 2 6\r\nget a\n\r\n", `prepend "a" flags=1 exptime=2 value="get a\n"`},
	{"cas a 1 2 3 4\r\nabc\r\n", `cas "a" flags=1 exptime=2 cas=4 value="abc"`},
	{"incr a 5\r\n", `incr "a" delta=5`},
	{"decr a 5 noreply\r\n", `decr "a" delta=5 noreply`},
	{"touch a 10\r\n", `touch "a" exptime=10`},
	{"delete a\r\n", `delete "a"`},
	{"flush_all 10\r\n", `flush_all ["10"]`},
	{"verbosity 1\r\n", `verbosity ["1"]`},
	{"version\r\n", `version []`},
	{"stats lock a\r\n", `stats ["lock" "a"]`},
	{"cache_memlimit 64\r\n", `cache_memlimit ["64"]`},
	{"slabs automove 0\r\n", `slabs ["automove" "0"]`},
	{"lru mode flat\r\n", `lru ["mode" "flat"]`},
	{"lru_crawler disable\r\n", `lru_crawler ["disable"]`},
	{"watch\r\n", `watch []`},
	{"mg a v\r\n", `mg "a" ["v"]`},
	{"ms a 3 T10\r\nabc\r\n", `ms "a" value="abc" ["T10"] TTL=10`},
	{"ms Zm9v 3 b\r\nabc\r\n", `ms "foo" value="abc" ["b"]`},
	{"md a C7\r\n", `md "a" ["C7"] compare=7`},
	{"ma a D2\r\n", `ma "a" ["D2"] step=2`},
	{"mn\r\n", `mn []`},
	{"me a\r\n", `me "a" []`},
	{"shutdown\r\n", `shutdown []`},
	{"quit\r\n", `quit []`},

	{"foo\r\n", "ERROR"},
	{"\r\n", badFormat},
	{"set a 0 0 3\r\nabcd\r\n", "CLIENT_ERROR bad data chunk"}, // and 6 bytes are gone with it
	{"version\r\n", badFormat}, // what is left of the block: "\n"
	{"", `version []`},
	{"set a 0 x 3\r\nget\r\n", badFormat},
	{"add a 0 0 101\r\n" + strings.Repeat("\r\n", 50) + "!\r\n", "SERVER_ERROR object too large for cache"},
	{"add a 0 0 101 noreply\r\n" + strings.Repeat("x", 103), "SERVER_ERROR object too large for cache noreply"},
	{"version\r\n", `version []`},
}

func scriptText() (input string, want []string) {
	for _, s := range script {
		input += s.input
		want = append(want, s.want)
	}
	return input, want
}

func TestReaderPipelined(t *testing.T) {
	input, want := scriptText()
	r := NewReader(100)
	wantLines(t, feed(&r, input), want...)
	if r.Buffered() != 0 || r.InData() {
		t.Errorf("%d bytes are left over", r.Buffered())
	}
}

func TestReaderByteAtATime(t *testing.T) {
	input, want := scriptText()
	r := NewReader(100)
	wantLines(t, feed(&r, strings.Split(input, "")...), want...)
}

func TestReaderInRandomPieces(t *testing.T) {
	input, want := scriptText()
	for seed := range uint64(200) {
		r := NewReader(100)
		if got := feed(&r, cut(input, seed, 40)...); !slices.Equal(got, want) {
			t.Fatalf("seed %d: got\n%s", seed, strings.Join(got, "\n"))
		}
	}
}

// cut divides the input into pieces of random length, up to longest.
func cut(input string, seed uint64, longest int) (pieces []string) {
	random := rand.New(rand.NewPCG(seed, 0))
	for len(input) > 0 {
		n := min(1+random.IntN(longest), len(input))
		pieces = append(pieces, input[:n])
		input = input[n:]
	}
	return pieces
}

func TestReaderLineFeedAlone(t *testing.T) {
	r := NewReader(100)
	wantLines(t, feed(&r, "get a\nset a 0 0 1\nx\r\nset a 0 0 1\nx\nversion\nversion\n"),
		`get ["a"]`,
		`set "a" value="x"`,
		"CLIENT_ERROR bad data chunk", // a data block ends with CR LF
		"ERROR",                       // its second byte was the v of version
		"version []")
}

func TestReaderRefusedBlockIsSwallowedInPieces(t *testing.T) {
	r := NewReader(10)
	wantLines(t, feed(&r, "set a 0 0 30\r\n"), "SERVER_ERROR object too large for cache")
	if !r.InData() {
		t.Error("the block is still to come")
	}
	wantLines(t, feed(&r, "flush_all\r\n", "flush_all\r\n", "flush_all\r"))
	wantLines(t, feed(&r, "flu", "version\r\n"), `ERROR`)
}
