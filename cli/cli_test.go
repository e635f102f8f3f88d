package cli

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestMain lets a test start this binary as the program itself: what a process
// does to itself (its user, its limits, its end) cannot be tried in the test.
func TestMain(m *testing.M) {
	if how := os.Getenv("CLI_TEST_AS"); how != "" {
		os.Exit(becomeAs(how, os.Args[1:]))
	}
	if os.Getenv("CLI_TEST_AS_PROGRAM") != "" {
		os.Exit(Main(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(append([]string{"lockcached"}, args...), &stdout, &stderr, nil); code != 0 || stderr.Len() > 0 {
		t.Errorf("%q: exit %d, stderr %q", args, code, &stderr)
	}
	return stdout.String()
}

func TestHelp(t *testing.T) {
	help := output(t, "-h")
	if help != output(t, "--help") || help != output(t, "-vh") {
		t.Error("-h, --help and -vh differ")
	}
	first, _, _ := strings.Cut(help, "\n")
	if first != "lockcached 0.1.0 (speaks memcached 1.6.45)" {
		t.Errorf("first line %q", first)
	}
	// By these words memcached's test suite decides what a server can do.
	for _, word := range []string{"sasl", "ext_path", "proxy_config", "no_drop_privileges"} {
		if strings.Contains(strings.ToLower(help), word) {
			t.Errorf("the help promises %s", word)
		}
	}
	for i := range flags {
		if f := &flags[i]; f.section != "" && !strings.Contains(help, f.synopsis()) {
			t.Errorf("the help lacks %s", f.synopsis())
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
		if got := output(t, arg); got != "lockcached 0.1.0 (speaks memcached 1.6.45)\n" {
			t.Errorf("%s: %q", arg, got)
		}
	}
}

func TestVersionOfWhatIsNotThere(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run([]string{"lockcached", "-S", "--version"}, &stdout, &stderr, nil)
	if code != exitRefused || stdout.Len() > 0 || !strings.Contains(stderr.String(), "SASL is the binary protocol's") {
		t.Errorf("exit %d, %q, %q", code, &stdout, &stderr)
	}
}

// TestVersionWithTLS: gomemcache's tests learn so whether they can test TLS.
func TestVersionWithTLS(t *testing.T) {
	if got := output(t, "--enable-ssl", "--version"); got != "lockcached 0.1.0 (speaks memcached 1.6.45)\n" {
		t.Errorf("%q", got)
	}
}

func TestLicense(t *testing.T) {
	if got := output(t, "-i"); !strings.Contains(got, "MIT License") {
		t.Errorf("%q", got)
	}
}

func TestLogFormats(t *testing.T) {
	tests := []struct{ format, want string }{
		{formatAuto, `{"level":"info"`}, // a buffer is no terminal
		{formatJSON, `{"level":"info"`},
		{formatConsole, "INF serving"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		log, queue := startLog(&b, tt.format, mustConfig(t).level())
		log.Info().Msg("serving")
		log.Debug().Msg("chatter")
		queue.close()
		if !strings.Contains(b.String(), tt.want) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%s: %q", tt.format, &b)
		}
	}
}

// On a terminal the line that says that the server serves is one that people can read.
func TestServingOnATerminal(t *testing.T) {
	for _, tt := range []struct{ listen, want string }{
		{"127.0.0.1:0", `INF serving listen=127\.0\.0\.1:\d+ pid=\d+ version=\S+\n`},
		{"127.0.0.1:0,127.0.0.2:0", `INF serving listen=127\.0\.0\.1:\d+,127\.0\.0\.2:\d+ pid=\d+ version=\S+\n`},
	} {
		var stderr bytes.Buffer
		signals := make(chan os.Signal, 1)
		signals <- testSignal
		code := run([]string{"lockcached", "-l", tt.listen, "--log-format", formatConsole}, io.Discard, &stderr, signals)
		if code != 0 || !regexp.MustCompile(tt.want).MatchString(stderr.String()) {
			t.Errorf("exit %d, %s", code, &stderr)
		}
	}
}
