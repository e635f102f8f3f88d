package transcripts_test

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// longestIdle is the longest pause that a test waits for in real time.
const longestIdle = 2200 * time.Millisecond

// TestTranscriptsAgainstMemcached plays the transcripts of memcached's own behaviour
// against a real one: $LOCKCACHED_MEMCACHED, or the memcached in $PATH. With -update it
// rewrites those that memcached answers differently.
func TestTranscriptsAgainstMemcached(t *testing.T) {
	running := memcachedVersion(t)
	for _, script := range readTranscripts(t) {
		if script.only {
			continue
		}
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			switch {
			case !script.toldBy(running):
				t.Skip("this memcached answers otherwise")
			case script.longestPause() > longestIdle && !*update:
				t.Skipf("takes %v of real time", script.longestPause())
			}
			if *update {
				p := newPlayer(startMemcached(t, script.flags))
				defer p.hangUpAll()
				p.rewrite(t, script)
				return
			}
			playInRealTime(t, script)
		})
	}
}

// mostDelay is how much longer than its pauses a story may take for its end to say something:
// memcached counts in seconds, and a busy machine may let one pass anywhere.
const mostDelay = 300 * time.Millisecond

// mostTries bounds how often a story is played that is delayed each time.
const mostTries = 10

// playInRealTime plays a story until it either passes, or fails without having been delayed.
func playInRealTime(t *testing.T, script *transcript) {
	t.Helper()
	for try := 1; ; try++ {
		p := newPlayer(startMemcached(t, script.flags))
		began := time.Now()
		err := p.play(script)
		if err == nil {
			err = p.expectNothingMore()
		}
		delay := time.Since(began) - script.pauses()
		p.hangUpAll()
		switch {
		case err == nil:
			return
		case delay <= mostDelay || try == mostTries:
			t.Fatal(err)
		}
		t.Logf("delayed by %v, once more: %v", delay, err)
	}
}

func memcachedVersion(t *testing.T) version {
	t.Helper()
	out, err := exec.Command(testenv.Memcached(t), "-V").Output()
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseVersion(strings.TrimPrefix(strings.TrimSpace(string(out)), "memcached "))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// startMemcached starts a memcached to play against. It has no file for SASL: -S -Y FILE, in
// front, gives it the users in the file.
func startMemcached(t *testing.T, flags []string) peer {
	t.Helper()
	var address string
	if len(flags) > 2 && flags[0] == "-S" && flags[1] == "-Y" {
		address = harness.RunMemcachedWithSASL(t, harness.ReadFile(t, flags[2]), flags[3:]...)
	} else {
		address = harness.RunMemcached(t, nil, flags...)
	}
	return peer{
		dial:     func() (net.Conn, error) { return net.Dial("tcp", address) },
		settle:   func() {},
		patience: 5 * time.Second,
		hush:     50 * time.Millisecond,
	}
}
