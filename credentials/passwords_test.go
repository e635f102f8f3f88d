package credentials

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwords")
	write(t, path, "foo:bar\r\n\nbaaaz:quux\nfoo:second\ncolons:a:b\n spaces: x y \nnobody:\n:nameless\nlast:line")
	p, err := LoadPasswords(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		user, password string
		want           bool
	}{
		{"foo", "bar", true}, {"baaaz", "quux", true}, {"foo", "second", true}, {"colons", "a:b", true},
		{" spaces", " x y ", true}, {"nobody", "", true}, {"", "nameless", true}, {"last", "line", true},
		{"foo", "quux", false}, {"foo", "ba", false}, {"foo", "barr", false}, {"foo", "bar\r", false},
		{"Foo", "bar", false}, {"foo:", "bar", false}, {"fo", "o:bar", false}, {"foo", "", false}, {"", "", false},
	}
	for _, tt := range tests {
		if got := p.Match([]byte(tt.user), []byte(tt.password)); got != tt.want {
			t.Errorf("%q %q: %v", tt.user, tt.password, got)
		}
	}
}

func TestBadPasswordFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":               "has no line user:password",
		"\n \r\n":        "has no line user:password",
		"foo:bar\nfoo\n": "line 2 should be user:password",
		strings.Repeat("x", maxPasswordFile) + ":y": "more than 1048576 bytes",
	} {
		path := filepath.Join(t.TempDir(), "passwords")
		write(t, path, text)
		if _, err := LoadPasswords(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	if _, err := LoadPasswords(filepath.Join(t.TempDir(), "absent")); !os.IsNotExist(err) {
		t.Errorf("absent: %v", err)
	}
}

func TestLoadLogin(t *testing.T) {
	for text, want := range map[string]string{
		"foo:bar:baz\r\nother:x": "foo bar:baz",
		"\n \nnobody:":           "nobody ",
		":nameless":              "the first user cannot log in",
		"two words:x\nfoo:bar":   "the first user cannot log in",
		"foo:b\rar":              "the first user cannot log in",
		"s3cret":                 "line 1 should be user:password",
	} {
		path := filepath.Join(t.TempDir(), "password")
		write(t, path, text)
		user, password, err := LoadLogin(path)
		if err == nil && user+" "+password == want {
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), path+": "+want) {
			t.Errorf("%q: %q %q, %v, want %q", text, user, password, err, want)
		}
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwords")
	write(t, path, "foo:bar")
	p, err := LoadPasswords(path)
	if err != nil || p.Changed() {
		t.Fatal(err, p.Changed())
	}
	knows := func(password string) bool { return p.Match([]byte("foo"), []byte(password)) }

	write(t, path, "nonsense")
	first := p.Loaded()
	if !p.Changed() || p.Reload() == nil || p.Changed() || !knows("bar") || p.Loaded() != first {
		t.Error("a bad file is noticed, refused once, and leaves what was good")
	}
	write(t, path, "foo:other")
	if !p.Changed() || p.Reload() != nil || p.Changed() || knows("bar") || !knows("other") || !p.Loaded().After(first) {
		t.Error("a good file takes over")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !p.Changed() || p.Reload() == nil || p.Changed() || !knows("other") {
		t.Error("a file that is gone is a bad file")
	}
}

// FuzzPasswords checks for any file that each line is a user or blank, or else the file is
// refused.
func FuzzPasswords(f *testing.F) {
	for _, text := range []string{"foo:bar\nbaaaz:quux\n", "foo:bar", "\r\n:\r\n", "a:b:c\n\n", "\x00:\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseLogins(text)
		if err != nil {
			return
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			user, password, ok := bytes.Cut(bytes.TrimRight(line, "\r"), []byte(":"))
			if !ok && len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			if len(list) == 0 || !bytes.Equal(list[0].user, user) || !bytes.Equal(list[0].password, password) {
				t.Fatalf("%q is not among the users of %q", line, text)
			}
			list = list[1:]
		}
		if len(list) > 0 {
			t.Errorf("%d users too many in %q", len(list), text)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	path := filepath.Join(b.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte(strings.Repeat("foo:bar\n", 8)), 0o600); err != nil {
		b.Fatal(err)
	}
	p, err := LoadPasswords(path)
	if err != nil {
		b.Fatal(err)
	}
	user, password := []byte("foo"), []byte("bar")
	for b.Loop() {
		if !p.Match(user, password) {
			b.Fatal("no match")
		}
	}
}
