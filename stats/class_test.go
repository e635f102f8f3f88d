package stats

import (
	"bytes"
	"strings"
	"testing"
)

var classTests = []struct {
	name, key, want string
	delim           byte
}{
	{"last-part-goes", "lock:user:17", "lock:user", ':'},
	{"last-part-goes-id-or-not", "lock:user:jobs", "lock:user", ':'},
	{"id-in-the-middle", "user:17:lock", "user:#", ':'},
	{"no-delimiter", "job/17/run", "job/#/run", ':'},
	{"other-delimiter", "job/17/run", "job/#", '/'},
	{"glued-number", "user17", "user#", ':'},
	{"two-numbers", "a1b22c", "a#b#c", ':'},
	{"only-number", "17", "#", ':'},
	{"only-number-after-delimiter", ":17", ":#", ':'},
	{"only-delimiter", ":", ":", ':'},
	{"delimiters-only", "::", ":", ':'},
	{"delimiter-at-end", "lock:user:", "lock:user", ':'},
	{"number-before-delimiter", "17:x", "#", ':'},
	{"plain-word", "lock", "lock", ':'},
	{"fold-sign-stays", "a#b", "a#b", ':'},
	{"delimiter-is-fold-sign", "a#b#17", "a#b", '#'},

	{"hex-7", "k/deadbe1", "k/deadbe#", ':'},
	{"hex-8", "k/deadbee1", "k/#", ':'},
	{"hex-upper", "k/0DEADBEEF", "k/#", ':'},
	{"hex-sha256", "k/" + strings.Repeat("0a", 32), "k/#", ':'},
	{"hex-word-short", "face", "face", ':'},
	{"hex-word-long", "deadbeef/defaced", "deadbeef/defaced", ':'},
	{"hex-word-numbered", "face2/cafe", "face#/cafe", ':'},
	{"hex-after-underscore", "user_00c0ffee_x", "user_#_x", ':'},
	{"hex-within-a-word", "xdeadbee1", "xdeadbee#", ':'},
	{"hex-before-a-letter", "deadbee1x", "deadbee#x", ':'},
	{"hex-beside-utf8", "é00c0ffee", "é#c#ffee", ':'},

	{"uuid", "550e8400-e29b-41d4-a716-446655440000", "#", ':'},
	{"uuid-upper", "k/550E8400-E29B-41D4-A716-446655440000/run", "k/#/run", ':'},
	{"uuid-in-braces", "k{550e8400-e29b-41d4-a716-446655440000}", "k{#}", ':'},
	{"uuid-contains-delimiter", "lock-550e8400-e29b-41d4-a716-446655440000", "lock", '-'},
	{"uuid-first-then-delimiter", "550e8400-e29b-41d4-a716-446655440000-run", "#", '-'},
	{"uuid-too-long", "k/550e8400-e29b-41d4-a716-4466554400000", "k/#-e#b-#d#-a#-#", ':'},
	{"uuid-too-short", "k/550e8400-e29b-41d4-a716-44665544000", "k/#-e#b-#d#-a#-#", ':'},
	{"uuid-of-words", "abcdefab-face-face-face-abcdefabcdef", "abcdefab-face-face-face-abcdefabcdef", ':'},

	{"control-bytes", "a b\r\nc\x00\x7f", "a#b##c##", ':'},
	{"longest-key", strings.Repeat("a", 300), strings.Repeat("a", 250), ':'},
}

func TestClass(t *testing.T) {
	for _, tt := range classTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Class(tt.key, tt.delim); got != tt.want {
				t.Errorf("Class(%q) is %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

func TestAppendClassAppends(t *testing.T) {
	dst := []byte("user:")
	if got := AppendClass(dst, []byte("lock"), ':'); string(got) != "user:lock" {
		t.Errorf("got %q: a delimiter in dst is none of the key's", got)
	}
}

// No class contains a space, so with a space as the delimiter a class is folded again
// without being cut.
func FuzzClass(f *testing.F) {
	for _, tt := range classTests {
		f.Add([]byte(tt.key), tt.delim)
	}
	f.Fuzz(func(t *testing.T, key []byte, delim byte) {
		class := AppendClass([]byte("dst"), key, delim)
		if !bytes.HasPrefix(class, []byte("dst")) {
			t.Fatalf("dst is now %q", class)
		}
		class = class[len("dst"):]
		if len(key) > 0 && len(class) == 0 || len(class) > min(len(key), maxKey) {
			t.Errorf("the class of %q has %d bytes: %q", key, len(class), class)
		}
		if bytes.ContainsAny(class, "0123456789 \r\n\x00") {
			t.Errorf("the class of %q still has digits or breaks the line: %q", key, class)
		}
		if again := AppendClass(nil, class, ' '); !bytes.Equal(again, class) {
			t.Errorf("%q, folded again, is %q", class, again)
		}
	})
}

func TestAppendClassDoesNotAllocate(t *testing.T) {
	key := []byte("job/550e8400-e29b-41d4-a716-446655440000/run")
	buf := make([]byte, 0, maxKey)
	if n := testing.AllocsPerRun(100, func() { buf = AppendClass(buf[:0], key, ':') }); n != 0 {
		t.Errorf("AppendClass allocates %v times", n)
	}
}

func BenchmarkAppendClass(b *testing.B) {
	for name, key := range map[string]string{
		"id-at-end":   "lock:user:1234567",
		"id-inside":   "job/1234567/run",
		"uuid":        "lock:550e8400-e29b-41d4-a716-446655440000",
		"longest":     strings.Repeat("abcdefab-", 28)[:maxKey],
		"longest-hex": strings.Repeat("a", maxKey),
	} {
		b.Run(name, func(b *testing.B) {
			buf, k := make([]byte, 0, maxKey), []byte(key)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendClass(buf[:0], k, ':')
			}
		})
	}
}
