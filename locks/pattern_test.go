package locks

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		name, glob, key string
		want            bool
	}{
		{"exact", "lock", "lock", true},
		{"exact-longer", "lock", "locks", false},
		{"exact-shorter", "lock", "loc", false},
		{"empty", "", "", true},
		{"empty-or-not", "", "a", false},
		{"prefix", "lock:*", "lock:a", true},
		{"prefix-nothing-more", "lock:*", "lock:", true},
		{"prefix-shorter", "lock:*", "lock", false},
		{"everything", "*", "a/b:c", true},
		{"slash-is-a-byte", "lock:*", "lock:a/b", true},
		{"slash-in-the-middle", "a*b", "a/x/b", true},
		{"slash-itself", "a/*/b", "a/x/b", true},
		{"slash-wanted", "a/b", "a:b", false},
		{"suffix", "*.lock", "job.lock", true},
		{"suffix-more", "*.lock", "job.locks", false},
		{"one-byte", "job?", "job1", true},
		{"one-byte-slash", "job?", "job/", true},
		{"one-byte-none", "job?", "job", false},
		{"set", "job[0-9]", "job7", true},
		{"set-other", "job[0-9]", "jobx", false},
		{"set-not", "job[^0-9]", "job/", true},
		{"escaped-star", `a\*`, "a*", true},
		{"escaped-star-other", `a\*`, "ab", false},
		{"two-stars", "a*b*c", "axxbxxc", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewPattern(tt.glob)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match([]byte(tt.key)); got != tt.want {
				t.Errorf("%q matches %q: %v", tt.glob, tt.key, got)
			}
		})
	}
}

func TestBadPattern(t *testing.T) {
	for _, glob := range []string{"[", "a[", "a[]", `a\`, "[a-"} {
		if _, err := NewPattern(glob); !errors.Is(err, path.ErrBadPattern) {
			t.Errorf("%q: %v", glob, err)
		}
	}
}

func TestLockKeys(t *testing.T) {
	several := matcher{MustPattern("lock:*"), MustPattern("mutex")}
	for key, want := range map[string]bool{"lock:a": true, "mutex": true, "item": false} {
		if several.match([]byte(key)) != want {
			t.Errorf("%s is a lock: %v", key, !want)
		}
	}
	if !matcher(nil).match([]byte("item")) {
		t.Error("without a pattern every key is a lock")
	}
}

// FuzzPattern: the shortcuts for most patterns give the same result as path.Match, and a
// pattern that is refused is one that path.Match refuses.
func FuzzPattern(f *testing.F) {
	f.Add("lock:*", "lock:a/b")
	f.Add("[^a-z]?/*", "A//")
	f.Add(`a\*`, "a*")
	f.Fuzz(func(t *testing.T, glob, key string) {
		if strings.Contains(glob+key, "\x01") {
			return // it stands for a slash in the glob
		}
		p, err := NewPattern(glob)
		want, wantErr := path.Match(noSlash.Replace(glob), noSlash.Replace(key))
		if err != nil {
			if wantErr == nil && !errors.Is(err, path.ErrBadPattern) {
				t.Errorf("%q: %v", glob, err)
			}
			return
		}
		if got := p.Match([]byte(key)); got != want {
			t.Errorf("%q matches %q: %v, want %v", glob, key, got, want)
		}
	})
}
