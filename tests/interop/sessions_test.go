package interop_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// PHP's session handler claims a lock 6 times, 150 ms apart, before a request fails.
const (
	sessionLock   = "memc.sess.key.lock.shared"
	sessionClaims = 6
	sessionPause  = 150 // ms
)

// A session is a PHP process that serves requests of one user, with all default settings.
type session struct {
	t     *testing.T
	lines *bufio.Scanner
	next  io.Writer // a line lets a request that holds its session go on
}

// startSession starts one that serves so many requests, and holds its session in each if
// told to.
func startSession(t *testing.T, address string, requests int, hold ...string) *session {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	args := append([]string{host, port, strconv.Itoa(requests)}, hold...)
	php := command(t, php("session.php")(t), args...)
	out, err := php.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := php.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := php.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = php.Process.Kill() // for a test that failed
		_ = php.Wait()
	})
	return &session{t, bufio.NewScanner(out), in}
}

// tells reads the next line.
func (s *session) tells() string {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("php has ended: %v", s.lines.Err())
	}
	return s.lines.Text()
}

func (s *session) expect(want string) {
	s.t.Helper()
	if line := s.tells(); line != want {
		s.t.Fatalf("php tells %q, want %q", line, want)
	}
}

// goOn ends the request that holds its session.
func (s *session) goOn() {
	s.t.Helper()
	if _, err := io.WriteString(s.next, "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// result has requests that fail come again, and returns how many did, what the last request
// counted, and how long all together took to get the session, in ms.
func (s *session) result() (failed, count, claiming int) {
	s.t.Helper()
	line := s.tells()
	for ; line == "failed"; line = s.tells() {
		failed++
		s.goOn()
	}
	if _, err := fmt.Sscanf(line, "count %d, claiming %d ms", &count, &claiming); err != nil {
		s.t.Fatalf("php tells %q: %v", line, err)
	}
	return failed, count, claiming
}

// counts fails the test unless the last request counted so far.
func (s *session) counts(want int) {
	s.t.Helper()
	if _, count, _ := s.result(); count != want {
		s.t.Errorf("php counted to %d, want %d", count, want)
	}
}

// sessionsInLine are the flags of the recipe in docs/recipes.md.
func sessionsInLine(wait string) []string {
	const locks = "memc.sess.key.lock.*"
	return []string{"--lock-keys", locks, "--wait", locks + "=" + wait, "-D", "."}
}

// stored is how many values clients have tried to store so far: those of locks, and what
// requests leave in their session.
func stored(t *testing.T, address string) int {
	t.Helper()
	n, err := strconv.Atoi(harness.StatsOf(t, address)["cmd_set"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lockOf is what lockcached tells of the lock of the session.
func lockOf(t *testing.T, address string) (told struct {
	age                         float64 // of the hold, in ms
	acquired, refused, timeouts int
}) {
	t.Helper()
	for _, line := range harness.Ask(t, address, "stats lock "+sessionLock) {
		var name, value string
		if _, err := fmt.Sscan(line, new(string), &name, &value); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "age_ms":
			told.age = number
		case "acquired":
			told.acquired = int(number)
		case "refused":
			told.refused = int(number)
		case "wait_timeouts":
			told.timeouts = int(number)
		}
	}
	return told
}

// TestPHPSession lets a request wait for another one that has the session, and find what
// that has stored.
func TestPHPSession(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address, _ string) {
		first := startSession(t, address, 1, "hold")
		first.expect("held")
		second := startSession(t, address, 1)
		testenv.Eventually(t, "the second request claims the lock", func() bool { return stored(t, address) > 1 })
		first.goOn()
		first.counts(1)
		second.counts(2)
	})
}

// TestPHPSessionFails holds a session for longer than a request claims it.
func TestPHPSessionFails(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address, _ string) {
		first := startSession(t, address, 1, "hold")
		first.expect("held")
		second := startSession(t, address, 1)
		second.expect("failed")
		if n := stored(t, address) - 1; n != sessionClaims {
			t.Errorf("the second request has claimed the lock %d times, want %d", n, sessionClaims)
		}
		first.goOn()
		first.counts(1)
		second.goOn()
		second.counts(2)
	})
}

// TestPHPSessionInLine holds a session for as long, but claims wait in line by policy: the
// request does not fail, and polls less often or not at all.
func TestPHPSessionInLine(t *testing.T) {
	t.Parallel()
	for _, wait := range []int{140, 4000} { // ms; libmemcached waits for an answer for 5 s
		t.Run(fmt.Sprint(wait), func(t *testing.T) {
			t.Parallel()
			address := runServer(t, sessionsInLine(fmt.Sprintf("%dms", wait))...)
			first := startSession(t, address, 1, "hold")
			first.expect("held")
			second := startSession(t, address, 1)
			testenv.Eventually(t, "the second request claims the lock", func() bool { return stored(t, address) > 1 })
			since := lockOf(t, address).age
			testenv.Eventually(t, "it would have failed", func() bool {
				return lockOf(t, address).age > since+sessionClaims*sessionPause
			})
			first.goOn()
			first.counts(1)
			failed, count, claiming := second.result()
			if count != 2 {
				t.Errorf("the second request counted to %d, want 2", count)
			}
			// On a machine that was busy for so long it may fail.
			if patience := sessionClaims*wait + (sessionClaims-1)*sessionPause; failed > 0 && claiming < patience {
				t.Errorf("the second request failed within %d ms", claiming)
			}
			told := lockOf(t, address)
			if n := told.acquired + told.refused + told.timeouts - 1; n > 1+claiming/(wait+sessionPause) {
				t.Errorf("the second request has claimed the lock %d times in %d ms", n, claiming)
			}
		})
	}
}

// TestPHPSessions has many requests want one session at once: none of them forgets what
// another has stored. In line none polls, and none fails.
func TestPHPSessions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address, _ string) { countInSession(t, address) })
	t.Run("in line", func(t *testing.T) {
		t.Parallel()
		address := runServer(t, sessionsInLine("4s")...)
		requests, failed := countInSession(t, address)
		told := lockOf(t, address)
		if failed > 0 || told.acquired != requests || told.refused+told.timeouts > 0 {
			t.Errorf("of %d requests %d failed, %d claims were granted, %d refused, %d not in time",
				requests, failed, told.acquired, told.refused, told.timeouts)
		}
	})
}

func countInSession(t *testing.T, address string) (requests, failed int) {
	t.Helper()
	const processes, each = 8, 50
	var all []*session
	for range processes {
		all = append(all, startSession(t, address, each))
	}
	most := 0
	for _, one := range all {
		failures, count, _ := one.result()
		failed += failures
		most = max(most, count)
	}
	t.Logf("%d of %d requests failed", failed, processes*each)
	if most != processes*each {
		t.Errorf("%d requests counted to %d", processes*each, most)
	}
	return processes * each, failed
}
