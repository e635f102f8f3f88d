package protocol

import (
	"slices"
	"strings"
	"testing"
)

// logins gives pieces to a Reader whose client never logs in, and returns what Next returns.
func logins(pieces ...string) (got []string) {
	r := NewReader(fuzzMax)
	r.RequireLogin()
	for _, line := range feed(&r, pieces...) {
		got = append(got, strings.TrimPrefix(line, "login "))
	}
	return got
}

func TestTextLogin(t *testing.T) {
	const known = `"foo" value="bar"`
	tests := []struct{ name, input, want string }{
		{"usual", "set foo 0 0 7\r\nfoo bar\r\n", known},
		{"line-feed-alone", "set foo 0 0 7\nfoo bar\r\n", known},
		{"spaces", "set  foo  0  0  7 \r\nfoo bar\r\n", known},
		{"noreply", "set foo 0 0 7 noreply\r\nfoo bar\r\n", known},
		{"words-that-are-no-numbers", "set foo x y 7\r\nfoo bar\r\n", known},
		{"longer-word", "settle foo x y 7\r\nfoo bar\r\n", known},
		{"long-key", "set " + strings.Repeat("k", 300) + " 0 0 7\r\nfoo bar\r\n", known},
		{"zeros", "set foo 0 0 007\r\nfoo bar\r\n", known},
		{"spaces-in-password", "set foo 0 0 9\r\nfoo b a r\r\n", `"foo" value="b a r"`},
		{"empty-password", "set foo 0 0 4\r\nfoo \r\n", `"foo" value=""`},
		{"empty-both", "set foo 0 0 1\r\n \r\n", `value=""`},
		{"odd-bytes", "set foo 0 0 7\r\n\r\n \x00\xff\r\n\r\n", `"\r\n" value="\x00\xff\r\n"`},
		{"not-yet", "set foo 0 0 7\r\nfoo bar", ""},
		{"empty-line", "\r\n", ""},

		{"other-word", "get a b c 7\r\n", ErrNoLogin.Line},
		{"leading-space", " set foo 0 0 7\r\n", ErrNoLogin.Line},
		{"no-length", "set foo 0 0\r\n", ErrNoLogin.Line},
		{"negative-length", "set foo 0 0 -1\r\n", ErrNoLogin.Line},
		{"length-with-sign", "set foo 0 0 +7\r\n", ErrNoLogin.Line},
		{"length-and-more", "set foo 0 0 7x\r\n", ErrNoLogin.Line},
		{"length-over-32-bits", "set foo 0 0 4294967296\r\n", ErrNoLogin.Line},
		{"length-of-32-bits", "set foo 0 0 4294967295\r\n", ErrLongLogin.Line},
		{"length-over-max", "set foo 0 0 16385\r\n", ErrLongLogin.Line},
		{"length-max", "set foo 0 0 16384\r\n" + strings.Repeat("x", 16384) + "\r\n", ErrLoginFormat.Line},
		{"no-space", "set foo 0 0 2\r\nhi\r\n", ErrLoginFormat.Line},
		{"no-data", "set foo 0 0 0\r\n\r\n", ErrLoginFormat.Line},
		{"data-without-its-end", "set foo 0 0 6\r\nfoo bar\n", ErrLoginEnd.Line},
		{"again-after-a-fault", "nothing\r\nset foo 0 0 7\r\nfoo bar\r\n", ErrNoLogin.Line + "\n" + known},

		{"line-of-5", "quit\r\n", ErrLineTooShort.Error()},
		{"line-of-6", "abcde\r\n", ErrNoLogin.Line},
		{"endless-line", strings.Repeat("x", MaxLine+1), ErrLineTooLong.Error()},
		{"endless-line-not-yet", strings.Repeat("x", MaxLine), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.input), 1} {
				if got := strings.Join(logins(pieces(tt.input, size)...), "\n"); got != tt.want {
					t.Errorf("in pieces of %d: got %s, want %s", size, got, tt.want)
				}
			}
		})
	}
}

// pieces cuts a text into pieces of the given size.
func pieces(text string, size int) (list []string) {
	for piece := range slices.Chunk([]byte(text), max(1, size)) {
		list = append(list, string(piece))
	}
	return list
}

// After a login the Reader reads ordinary requests.
func TestNextBehindALogin(t *testing.T) {
	r := NewReader(fuzzMax)
	r.RequireLogin()
	r.Advance(copy(r.Space(), "set foo 0 0 7\r\nfoo bar\r\nGET / HTTP/1.1\r\n"))
	var q Request
	if err := r.Next(&q); err != nil || q.Verb != Login || string(q.Key) != "foo" {
		t.Errorf("%q, %v", q.Key, err)
	}
	r.LoggedIn(true)
	if err := r.Next(&q); err != ErrUnknown {
		t.Errorf("%v, want %v", err, ErrUnknown)
	}
}

// FuzzLogin checks that the result is the same however the input is cut.
func FuzzLogin(f *testing.F) {
	f.Add("set foo 0 0 7\r\nfoo bar\r\nset foo 0 0 2\r\nhi\r\n", 3)
	f.Add("set foo 0 0 16384\r\n"+strings.Repeat("x ", 8192)+"\r\n", 1000)
	f.Fuzz(func(t *testing.T, input string, size int) {
		if strings.HasPrefix(input, "\x80") || longestLine([]byte(input)) >= MaxLine {
			return // not text, or the result depends on how much of such a line has arrived, as in memcached
		}
		whole, cut := logins(input), logins(pieces(input, size)...)
		if !slices.Equal(whole, cut) {
			t.Errorf("at once %q, in pieces of %d %q", whole, size, cut)
		}
	})
}
