package protocol

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// fuzzMax is the largest data block in FuzzReader, in bytes: more than a buffer.
const fuzzMax = 3 * bufferSize

// FuzzReader feeds any input in one piece, byte by byte and in random pieces. The Reader must
// never panic, never take more than the data block for the data block, never use more memory
// than one request needs, and return the same requests however the input is cut.
func FuzzReader(f *testing.F) {
	for _, s := range script {
		f.Add([]byte(s.input), uint64(1))
	}
	input, _ := scriptText()
	f.Add([]byte(input), uint64(2))
	f.Add([]byte("set a 0 0 20000\r\n"+strings.Repeat("0123456789abcde\n", 1250)+"\r\nget a\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		if longestLine(input) >= MaxLine {
			return // the result depends on how much of such a line has arrived, as in memcached
		}
		fuzzCuts(t, func() Reader { return NewReader(fuzzMax) }, input, seed)
	})
}

// FuzzPackets is FuzzReader for the binary protocol. A client that must log in gets nothing else
// before that.
func FuzzPackets(f *testing.F) {
	whole := ""
	for _, s := range packetScript {
		f.Add([]byte(s.input), uint64(1), false)
		whole += s.input
	}
	f.Add([]byte(whole), uint64(2), false)
	f.Add([]byte(testPacket{op: opSASLAuth, key: "PLAIN"}.String()+
		testPacket{op: opSASLStep, key: "PLAIN", value: "\x00foo\x00bar"}.String()), uint64(3), true)
	f.Add([]byte(testPacket{op: opSet, extras: storing(0, 0), key: "k", value: strings.Repeat("v", fuzzMax+1)}.String()), uint64(4), false)
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, locked bool) {
		got := fuzzCuts(t, func() Reader {
			r := NewReader(fuzzMax)
			r.Speak(BinaryOnly)
			if locked {
				r.RequireLogin()
			}
			return r
		}, input, seed)
		for _, request := range got {
			verb, _, _ := strings.Cut(request, " ")
			if locked && slices.Contains(verbNames, verb) && !slices.Contains(beforeLogin, verb) {
				t.Errorf("%s before the login", request)
			}
		}
	})
}

var beforeLogin = strings.Fields("version login bad-login begin-login mechanisms")

// fuzzCuts gives the input to new Readers in one piece, byte by byte and in random pieces, and
// returns the requests, which must be the same each time.
func fuzzCuts(t *testing.T, reader func() Reader, input []byte, seed uint64) []string {
	whole := fuzzFeed(t, reader(), input, len(input))
	if bytewise := fuzzFeed(t, reader(), input, 1); !slices.Equal(whole, bytewise) {
		t.Errorf("at once\n%s\nbyte by byte\n%s", strings.Join(whole, "\n"), strings.Join(bytewise, "\n"))
	}
	longest := 1 + int(seed%uint64(bufferSize))
	var sizes []int
	for _, piece := range cut(string(input), seed, longest) {
		sizes = append(sizes, len(piece))
	}
	if pieces := fuzzFeed(t, reader(), input, sizes...); !slices.Equal(whole, pieces) {
		t.Errorf("at once\n%s\nin pieces of %d\n%s", strings.Join(whole, "\n"), sizes, strings.Join(pieces, "\n"))
	}
	return whole
}

func longestLine(input []byte) (n int) {
	for line := range bytes.Lines(input) {
		n = max(n, len(line))
	}
	return n
}

// fuzzFeed gives the input to a Reader in pieces of these sizes, the last of which repeats,
// and checks what can be checked for any request.
func fuzzFeed(t *testing.T, r Reader, input []byte, sizes ...int) (got []string) {
	fed, taken := 0, 0 // bytes given to the Reader, and bytes of requests that it returned
	for fed < len(input) {
		size := sizes[0]
		if len(sizes) > 1 {
			sizes = sizes[1:]
		}
		n := copy(r.Space(), input[fed:min(fed+size, len(input))])
		r.Advance(n)
		fed += n
		for {
			var q Request
			err := r.Next(&q)
			checkMemory(t, &r)
			if err == ErrShort {
				break
			}
			got = append(got, show(&q, err))
			if ends(err) {
				return got
			}
			if err == nil {
				checkTaken(t, input[:fed-r.Buffered()], &q)
			}
			if fed-r.Buffered() <= taken {
				t.Fatalf("%s took no input", got[len(got)-1])
			}
			taken = fed - r.Buffered()
		}
	}
	return got
}

// checkMemory checks that a Reader's buffer is no larger than one request needs.
func checkMemory(t *testing.T, r *Reader) {
	if most := MaxLine + fuzzMax + 2; len(r.buf) > most {
		t.Fatalf("a buffer of %d bytes, at most %d are needed", len(r.buf), most)
	}
}

// checkTaken checks the input up to the end of a request: it must end with the request's data
// block, or with its line.
func checkTaken(t *testing.T, taken []byte, q *Request) {
	end := "\n"
	switch {
	case q.isPacket:
		end = string(q.Value)
	case q.Value != nil:
		end = "\n" + string(q.Value) + "\r\n"
	}
	if !bytes.HasSuffix(taken, []byte(end)) {
		t.Fatalf("%s was taken from %q", show(q, nil), taken)
	}
}
