package protocol

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// feed gives chunks to a Reader, one after the other, and returns what Next returned, as lines
// of text.
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

// drain takes all requests that a Reader has, and reports whether the connection stays open.
func drain(r *Reader) (got []string, open bool) {
	for {
		var q Request
		err := r.Next(&q)
		if err == ErrShort {
			return got, true
		}
		got = append(got, show(&q, err))
		if ends(err) {
			return got, false
		}
	}
}

// ends reports whether an error of Next ends the connection.
func ends(err error) bool {
	fault, ok := err.(*Fault)
	return err != nil && (!ok || fault.Ends)
}

// wantLines compares what a Reader returned.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// script has every command, and how each is shown.
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
	{"refresh_certs\r\n", `refresh_certs []`},
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
	{"set a 0 0 3\r\nabcd\r", "CLIENT_ERROR bad data chunk"}, // its length and 2 bytes are consumed
	{"\n", badFormat},
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

// Text is what was sent of a request, or what came before a data block that is too large.
func TestReaderText(t *testing.T) {
	scripts := map[string][]string{"packets": {
		testPacket{op: opAdd, key: "a", extras: storing(0, 0), value: strings.Repeat("x", 101)}.String()}}
	for _, s := range script {
		scripts["text"] = append(scripts["text"], s.input)
	}
	for _, s := range packetScript {
		scripts["packets"] = append(scripts["packets"], s.input)
	}
	for name, input := range scripts {
		for _, longest := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprint(name, longest), func(t *testing.T) {
				r := NewReader(100)
				left := input
				for _, piece := range cut(strings.Join(input, ""), 3, longest) {
					r.Advance(copy(r.Space(), piece))
					var q Request
					for err := r.Next(&q); err != ErrShort; err = r.Next(&q) {
						text := string(r.Text())
						switch {
						case err == nil && text != left[0], !strings.HasPrefix(left[0], text):
							t.Errorf("got %q of %q", text, left[0])
						case err == ErrTooLarge && (text == "" || len(text) > 50):
							t.Errorf("got %q of a request with a large data block", text)
						}
						left = left[1:]
					}
				}
				if len(left) > 0 {
					t.Errorf("%d requests are missing", len(left))
				}
			})
		}
	}
}

// What one Reader has refused because of its data block is refused by another one that gets the
// rest of it.
func TestReaderCutShort(t *testing.T) {
	packet := testPacket{op: opSet, key: "a", extras: storing(0, 0), value: "abc"}.String()
	upToKey := len(packet) - len("abc")
	for input, want := range map[string]string{
		"set a 0 0 101\r\n": `SERVER_ERROR object too large for cache "a"`,
		"set a 0 0 100\r\n": `SERVER_ERROR out of memory storing object "a"`,
		packet[:upToKey]:    `SERVER_ERROR out of memory storing object "a"`,
		"get a":             "",
		"":                  "",
		packet[:upToKey-1]:  "",
	} {
		r := NewReader(100)
		wantLines(t, feed(&r, input))
		var q Request
		err := r.CutShort(&q)
		if got := fmt.Sprintf("%v %q", err, q.Key); got != want && (want != "" || err != ErrShort) {
			t.Errorf("%q: %s, want %s", input, got, want)
		}
		if want != "" {
			wantLines(t, feed(&r, input)) // it is ready for the next request
			if r.Next(&q) != ErrShort || !r.InData() {
				t.Errorf("%q: the next request is not read", input)
			}
		}
	}
}

func TestAppendGet(t *testing.T) {
	for _, s := range script[:4] {
		var q Request
		r := NewReader(100)
		r.Advance(copy(r.Space(), s.input))
		if err := r.Next(&q); err != nil {
			t.Fatal(err)
		}
		b := q.AppendGet(nil, []byte("a"))
		if want := strings.Replace(s.input, " b", "", 1); string(b) != want {
			t.Errorf("got %q, want %q", b, want)
		}
	}
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

func TestReaderRefusedBlockInPieces(t *testing.T) {
	r := NewReader(10)
	wantLines(t, feed(&r, "set a 0 0 30\r\n")) // refused once all of it is skipped
	if !r.InData() {
		t.Error("its data block is not awaited")
	}
	wantLines(t, feed(&r, "flush_all\r\n", "flush_all\r\n", "flush_all"))
	wantLines(t, feed(&r, "\rversion\r\n"), "SERVER_ERROR object too large for cache", "version []")
}

func TestReaderHalfAValue(t *testing.T) {
	r := NewReader(100)
	wantLines(t, feed(&r, "version\r\nset a 0 0 10\r\n01234"), "version []")
	if !r.InData() {
		t.Error("a data block has begun")
	}
	wantLines(t, feed(&r, "56789\r"))
	wantLines(t, feed(&r, "\n"), `set "a" value="0123456789"`)
	if r.InData() {
		t.Error("the data block has ended")
	}
}

func TestReaderOverLongLine(t *testing.T) {
	fits := strings.Repeat("x", MaxLine)
	for _, tt := range []struct {
		name  string
		input []string
		want  []string
	}{
		{"end-pending", []string{fits}, nil},
		{"end-comes", []string{fits, "\r\n"}, []string{"ERROR"}},
		{"no-end", []string{fits + "x"}, []string{ErrLineTooLong.Error()}},
		{"whole-at-once", []string{fits + "xx\r\n"}, []string{"ERROR"}},
		{"set-no-end", []string{"set " + fits}, []string{ErrLineTooLong.Error()}},
		{"get-no-end", []string{"get " + fits}, nil},
		{"get-key-too-long", []string{"get " + fits, "\r\n"}, []string{badFormat}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(100)
			wantLines(t, feed(&r, tt.input...), tt.want...)
		})
	}
}

// A get may have any length: it is returned as several requests, with each key in one of them.
func TestReaderLongGet(t *testing.T) {
	for _, command := range []string{"get", "gets", "gat 10", "gats 10"} {
		var line strings.Builder
		var keys []string
		line.WriteString(command)
		for i := range 2000 {
			keys = append(keys, fmt.Sprintf("key:%0*d", 1+i%200, i))
			line.WriteString(strings.Repeat(" ", 1+i%3) + keys[i])
		}
		line.WriteString(" \r\nversion\r\n")
		for _, longest := range []int{17, 1000, bufferSize, line.Len()} {
			r := NewReader(100)
			gets, rest := readGets(t, &r, cut(line.String(), 1, longest))
			if !slices.Equal(gets, keys) {
				t.Errorf("%s in pieces of %d: %d keys arrived of %d", command, longest, len(gets), len(keys))
			}
			wantLines(t, rest, "version []")
			if len(r.buf) > bufferSize {
				t.Errorf("%s took a buffer of %d", command, len(r.buf))
			}
		}
	}
}

// readGets returns the keys of the first get, which may be several requests, and what follows
// it.
func readGets(t *testing.T, r *Reader, pieces []string) (keys, rest []string) {
	began, more := false, true
	for i, piece := range pieces {
		for more && len(piece) > 0 {
			n := copy(r.Space(), piece)
			r.Advance(n)
			piece = piece[n:]
			var q Request
			for more && r.Next(&q) == nil {
				if q.Continued != began {
					t.Errorf("continued is %v after %d keys", q.Continued, len(keys))
				}
				if q.Exptime != 0 && q.Exptime != 10 {
					t.Errorf("exptime %d", q.Exptime)
				}
				keys = append(keys, words(&q)...)
				began, more = true, q.More
			}
		}
		if !more {
			left, _ := drain(r)
			return keys, append(left, feed(r, append([]string{piece}, pieces[i+1:]...)...)...)
		}
	}
	return keys, nil
}

func TestReaderLongGetFaults(t *testing.T) {
	half := strings.Repeat(" key", bufferSize/4/2+10) // two of them are more than a buffer
	after := "\r\nversion\r\n"
	for _, tt := range []struct{ name, input, fault string }{
		{"bad-key-in-first-piece", "get " + tooLongKey + half + half + after, badFormat},
		{"bad-key-in-second-piece", "get" + half + half + " " + tooLongKey + after, badFormat},
		{"bad-key-then-more", "get" + half + half + " " + tooLongKey + half + half + after, badFormat},
		{"endless-key", "get" + half + half + strings.Repeat("k", 3*bufferSize) + after, badFormat},
		{"endless-first-key", "get " + strings.Repeat("k", 3*bufferSize) + " k" + after, badFormat},
		{"only-spaces", "get" + strings.Repeat(" ", 3*bufferSize) + after, badFormat},
		{"gat-bad-exptime", "gat x" + half + half + half + after, ErrBadExptime.Line},
		{"gat-endless-exptime", "gat " + strings.Repeat("1", 3*bufferSize) + " k" + after, badFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, longest := range []int{50, 1000, bufferSize, len(tt.input)} {
				r := NewReader(100)
				got := feed(&r, cut(tt.input, 2, longest)...)
				got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "get ") })
				wantLines(t, got, tt.fault, "version []")
			}
		})
	}
}

func TestReaderHTTP(t *testing.T) {
	for _, tt := range []struct{ name, input, want string }{
		{"get", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ErrHTTP.Error()},
		{"post", "POST / HTTP/1.0\r\n", ErrHTTP.Error()},
		{"http-2", "PRI * HTTP/2.0\r\n", ErrHTTP.Error()},
		{"http-only", "HTTP/1.1\r\n", "ERROR"},
		{"command-in-lower-case", "get / HTTP/1.1\r\n", `get ["/" "HTTP/1.1"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(100)
			wantLines(t, feed(&r, tt.input), tt.want)
		})
	}
	r := NewReader(100)
	wantLines(t, feed(&r, "version\r\n", "GET / HTTP/1.1\r\n"), "version []", "ERROR") // not the first line
}

// A client gets memory for what it has sent, not for what it announces.
func TestReaderGrowsAsBytesArrive(t *testing.T) {
	const size = 1 << 20
	r := NewReader(size)
	line := fmt.Sprintf("set a 0 0 %d\r\n", size)
	feed(&r, line)
	if len(r.buf) != bufferSize {
		t.Errorf("%d bytes after the line", len(r.buf))
	}
	for range size / 1000 {
		feed(&r, strings.Repeat("x", 1000))
		if most := max(bufferSize, 2*r.Buffered()); len(r.buf) > most {
			t.Fatalf("%d bytes after %d", len(r.buf), r.Buffered())
		}
	}
	if most := len(line) + size + 2; len(r.buf) > most {
		t.Errorf("%d bytes for a request of %d", len(r.buf), most)
	}
}

func TestReaderRelease(t *testing.T) {
	r := NewReader(1 << 20)
	feed(&r, "version\r\nver")
	r.Release()
	wantLines(t, feed(&r, "sion\r\n"), "version []")
	feed(&r, "set a 0 0 100000\r\n"+strings.Repeat("x", 100_000)+"\r\n")
	r.Release()
	if r.input != nil {
		t.Error("an idle Reader holds a buffer")
	}
	wantLines(t, feed(&r, "version\r\n"), "version []")
}

// Values are slices of the Reader's buffer: an append to one must not overwrite a later request.
func TestReaderValueHasNoRoom(t *testing.T) {
	r := NewReader(100)
	n := copy(r.Space(), "set a 0 0 1\r\nx\r\nversion\r\n")
	r.Advance(n)
	var q Request
	if err := r.Next(&q); err != nil {
		t.Fatal(err)
	}
	_ = append(q.Value, "yyyyyyy"...)
	got, _ := drain(&r)
	wantLines(t, got, "version []")
}
