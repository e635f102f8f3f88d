package daemon

import (
	"slices"
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	tests := []struct {
		name        string
		args        string // words between spaces; ~ stands for a space in a word
		named, rest string
	}{
		{"nothing", "", "", ""},
		{"value-next", "-p 11211", "--port=11211", ""},
		{"value-attached", "-p11211", "--port=11211", ""},
		{"value-negative", "-c -1", "--conn-limit=-1", ""},
		{"value-attached-negative", "-p-1", "--port=-1", ""},
		{"value-like-a-flag", "-P -v", "--pidfile=-v", ""},
		{"value-equals", "-D=", "--delimiter==", ""},
		{"value-leading-space", "-l ~127.0.0.1", "--listen=127.0.0.1", ""},
		{"value-utf8", "-Dé", "--delimiter=é", ""},
		{"switch", "-M", "--disable-evictions=true", ""},
		{"switches-together", "-MF", "--disable-evictions=true --disable-flush-all=true", ""},
		{"switch-and-value", "-Mm64", "--disable-evictions=true --memory-limit=64", ""},
		{"switch-and-value-next", "-Fm 64", "--disable-flush-all=true --memory-limit=64", ""},
		{"verbose", "-v", "--verbose=1", ""},
		{"verbose-three", "-vvv", "--verbose=3", ""},
		{"verbose-scattered", "-v -p1 -Mvv", "--port=1 --disable-evictions=true --verbose=3", ""},
		{"verbose-long", "--verbose --verbose=2", "--verbose=3", ""},
		{"verbose-capped", "-vvvvvvvvvvvv", "--verbose=9", ""},
		{"long-equals", "--port=11211", "--port=11211", ""},
		{"long-next", "--port 11211", "--port=11211", ""},
		{"long-next-negative", "--port -1", "--port=-1", ""},
		{"long-empty", "--user=", "--user=", ""},
		{"long-two-equals", "--wait=a=b=1s", "--wait=a=b=1s", ""},
		{"long-switch", "--daemon", "--daemon=true", ""},
		{"repeated", "-l a -l b", "--listen=a --listen=b", ""},
		{"prints", "-h -V -i", "--help --version --license", ""},
		{"words", "logfile /var/log/x -p 1 more", "--port=1", "logfile /var/log/x more"},
		{"lone-dash", "- -p 1", "--port=1", "-"},
		{"end-of-flags", "-p 1 -- -v --x", "--port=1", "-v --x"},
		{"debian", "-d -m 64 -p 11211 -u memcache -l 127.0.0.1 -l ::1 -P /run/memcached.pid",
			"--daemon=true --memory-limit=64 --port=11211 --user=memcache --listen=127.0.0.1 --listen=::1 --pidfile=/run/memcached.pid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			named, rest, err := normalise(words(tt.args))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(named, " "); got != tt.named {
				t.Errorf("flags %q, want %q", got, tt.named)
			}
			if got := strings.Join(rest, " "); got != tt.rest {
				t.Errorf("other words %q, want %q", got, tt.rest)
			}
		})
	}
}

func words(line string) []string {
	list := strings.Fields(line)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "~", " ")
	}
	return list
}

func TestNormaliseRefuses(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-q", "-q: unknown flag"},
		{"-vq", "-q: unknown flag"},
		{"-é", "-é: unknown flag"},
		{"--fooble", "--fooble: unknown flag"},
		{"--fooble=3", "--fooble: unknown flag"},
		{"--", ""},
		{"--=", "--: unknown flag"},
		{"-p", "-p: needs a value: -p <num>"},
		{"-Mp", "-p: needs a value: -p <num>"},
		{"--port", "--port: needs a value: --port <num>"},
		{"--daemon=yes", "--daemon=yes: takes no value"},
		{"--verbose=x", "--verbose=x: verbosity is a number from 0 to 9"},
	}
	for _, tt := range tests {
		_, _, err := normalise(words(tt.args))
		if got := message(err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, got, tt.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzNormalise checks that whatever is accepted names known flags only, and
// that the normal form is its own normal form.
func FuzzNormalise(f *testing.F) {
	f.Add("-vvp11211\n-l\n127.0.0.1,[::1]:1\n--wait=lock:*=1s\nlogfile\n--\n-x")
	f.Add("-Mm64\n-D\n \n--verbose=8\n-vv\n-")
	f.Add("--=\n-\n--\n--")
	f.Fuzz(func(t *testing.T, lines string) {
		named, rest, err := normalise(strings.Split(lines, "\n"))
		if err != nil {
			return
		}
		for _, arg := range named {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if byLong[name] == nil {
				t.Errorf("%q is no flag", arg)
			}
		}
		again := slices.Concat(withoutValues(named), []string{"--"}, rest)
		named2, rest2, err := normalise(again)
		if err != nil || !slices.Equal(named, named2) || !slices.Equal(rest, rest2) {
			t.Errorf("%q gives %q and %q, then %q and %q, %v", lines, named, rest, named2, rest2, err)
		}
	})
}

// withoutValues turns --daemon=true back into what a user writes.
func withoutValues(named []string) []string {
	var list []string
	for _, arg := range named {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if byLong[name].isSwitch() {
			arg = "--" + name
		}
		list = append(list, arg)
	}
	return list
}
