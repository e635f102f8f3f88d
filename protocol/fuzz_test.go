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
		whole := fuzzFeed(t, input, len(input))
		if bytewise := fuzzFeed(t, input, 1); !slices.Equal(whole, bytewise) {
			t.Errorf("at once\n%s\nbyte by byte\n%s", strings.Join(whole, "\n"), strings.Join(bytewise, "\n"))
		}
		longest := 1 + int(seed%uint64(bufferSize))
		var sizes []int
		for _, piece := range cut(string(input), seed, longest) {
			sizes = append(sizes, len(piece))
		}
		if pieces := fuzzFeed(t, input, sizes...); !slices.Equal(whole, pieces) {
			t.Errorf("at once\n%s\nin pieces of %d\n%s", strings.Join(whole, "\n"), sizes, strings.Join(pieces, "\n"))
		}
	})
}

func longestLine(input []byte) (n int) {
	for line := range bytes.Lines(input) {
		n = max(n, len(line))
	}
	return n
}

// fuzzFeed gives the input to a new Reader in pieces of these sizes, the last of which repeats,
// and checks what can be checked for any request.
func fuzzFeed(t *testing.T, input []byte, sizes ...int) (got []string) {
	r := NewReader(fuzzMax)
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
			if _, fault := err.(*Fault); err != nil && !fault {
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
	if q.Value != nil {
		end = "\n" + string(q.Value) + "\r\n"
	}
	if !bytes.HasSuffix(taken, []byte(end)) {
		t.Fatalf("%s was taken from %q", show(q, nil), taken)
	}
}
