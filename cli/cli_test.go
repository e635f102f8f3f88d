package cli_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestHelp(t *testing.T) {
	help := clitest.Output(t, "-h")
	if help != clitest.Output(t, "--help") || help != clitest.Output(t, "-vh") {
		t.Error("-h, --help and -vh differ")
	}
	first, _, _ := strings.Cut(help, "\n")
	if first != "lockcached 0.1.0 (speaks memcached 1.6.45)" {
		t.Errorf("first line %q", first)
	}
	// memcached's test suite looks for these words to decide what a server can do.
	for _, word := range []string{"ext_path", "proxy_config", "no_drop_privileges"} {
		if strings.Contains(strings.ToLower(help), word) {
			t.Errorf("the help promises %s", word)
		}
	}
	for _, f := range daemon.Flags() {
		if !f.Hidden && !strings.Contains(help, f.Synopsis()) {
			t.Errorf("the help lacks %s", f.Synopsis())
		}
	}
	for line := range strings.Lines(help) {
		if utf8.RuneCountInString(line) > 110 {
			t.Errorf("too wide: %s", line)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"-V", "--version"} {
		if got := clitest.Output(t, arg); got != "lockcached 0.1.0 (speaks memcached 1.6.45)\n" {
			t.Errorf("%s: %q", arg, got)
		}
	}
}

// TestVersionWithTLS: gomemcache's tests learn in this way whether they can test TLS.
func TestVersionWithTLS(t *testing.T) {
	if got := clitest.Output(t, "--enable-ssl", "--version"); got != "lockcached 0.1.0 (speaks memcached 1.6.45)\n" {
		t.Errorf("%q", got)
	}
}

func TestLicense(t *testing.T) {
	if got := clitest.Output(t, "-i"); !strings.Contains(got, "MIT License") {
		t.Errorf("%q", got)
	}
}

func TestRefusalIsOneLineOnStderr(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-t 0", "lockcached: -t 0: number of threads must be greater than 0\n"},
		{"-q", "lockcached: -q: unknown flag; lockcached -h lists those there are\n"},
		{"--fsync never", "lockcached: --fsync: needs --data, the directory to keep locks in, such as --data /var/lib/lockcached\n"},
		{"-I 256m", "lockcached: -I 268435456 with -m 64: cannot set item size limit higher than 1/2 of memory max; lower -I or raise -m\n"},
		{"-l a..b", "lockcached: -l a..b: cannot resolve: lookup a..b: no such host\n"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		code := cli.Run(append([]string{"lockcached"}, strings.Fields(tt.args)...), &stdout, &stderr, nil)
		if code != exit.Refused || stdout.Len() != 0 || stderr.String() != tt.want {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit 2 and %q", tt.args, code, &stdout, &stderr, tt.want)
		}
	}
}
