package interop_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// asFiller is the variable that makes the test binary do with gomemcache, all of whose options
// are the defaults, what testdata/interop/filler.py does with pymemcache. A call that takes longer
// than 500 ms is an error; the filler prints it, and goes on.
const asFiller = "LOCKCACHED_TEST_AS_FILLER"

func gomemcacheFiller(*testing.T) []string { return []string{"env", asFiller + "=1", os.Args[0]} }

// playFiller is that filler. It does not return.
func playFiller(args []string) {
	key := args[2]
	ttl, _ := strconv.Atoi(args[3])
	mc, in := memcache.New(net.JoinHostPort(args[0], args[1])), bufio.NewReader(os.Stdin)
	computed := 0
	for ; ; time.Sleep(20 * time.Millisecond) {
		asked := monotonic()
		it, err := mc.Get(key)
		switch {
		case err == nil:
			tell("hit", asked, string(it.Value))
			continue
		case !errors.Is(err, memcache.ErrCacheMiss):
			tell("fault", asked, err.Error())
			continue
		}
		tell("miss", asked, "")
		if word, _ := in.ReadString('\n'); word != "store\n" {
			continue
		}
		computed++
		value := fmt.Sprintf("%d-%d", os.Getpid(), computed)
		asked, what := monotonic(), "stored"
		if mc.Set(&memcache.Item{Key: key, Value: []byte(value), Expiration: int32(ttl)}) != nil {
			what = "sent" // perhaps stored, and nobody knows when
		}
		tell(what, asked, value)
	}
}

func tell(what string, asked int64, value string) { fmt.Println(what, asked, monotonic(), value) }

// monotonic is the time on the machine's monotonic clock, which all processes share, in
// nanoseconds.
func monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return now.Nano()
}

// A filler is a process that gets a key again and again, and computes it when it is missing.
type filler struct {
	process *exec.Cmd
	words   io.WriteCloser // a line ends its computing
	killed  int64          // when; 0 if it was not
}

// A deed is a line that a filler has printed.
type deed struct {
	by          *filler
	what        string // hit, miss, stored; of gomemcache: sent, fault
	asked, told int64  // on the monotonic clock
	value       string
}

// A crowd is fillers that want the same key.
type crowd struct {
	t       *testing.T
	address string
	key     string
	fillers []*filler

	lines   chan deed
	readers sync.WaitGroup
	deeds   []deed // so far
}

// gather starts so many fillers for a key that is good for some seconds. They end with the test.
func gather(t *testing.T, address, key string, line []string, size int, ttl time.Duration) *crowd {
	t.Helper()
	c := &crowd{t: t, address: address, key: key, lines: make(chan deed, 1<<16)}
	host, port, _ := net.SplitHostPort(address)
	for range size {
		c.fillers = append(c.fillers, c.start(command(t, line, host, port, key, fmt.Sprint(ttl.Seconds()))))
	}
	return c
}

func (c *crowd) start(process *exec.Cmd) *filler {
	c.t.Helper()
	words, err := process.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	f := &filler{process: process, words: words}
	c.readers.Go(func() { c.read(f, bufio.NewReader(out)) })
	return f
}

// read passes on what a filler prints.
func (c *crowd) read(f *filler, out *bufio.Reader) {
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return
		}
		d := deed{by: f}
		if n, err := fmt.Sscan(line, &d.what, &d.asked, &d.told, &d.value); err != nil && n < 3 {
			c.t.Errorf("%q: %v", line, err)
			return
		}
		select {
		case c.lines <- d:
		case <-c.t.Context().Done():
			return
		}
	}
}

// await returns the next deed of that kind, by one filler if any is named.
func (c *crowd) await(what string, by *filler) deed {
	c.t.Helper()
	end := time.After(testenv.Patience)
	for {
		select {
		case d := <-c.lines:
			c.deeds = append(c.deeds, d)
			if strings.Contains(what, d.what) && (by == nil || d.by == by) {
				return d
			}
		case <-end:
			c.t.Fatalf("no filler says: %s", what)
		}
	}
}

// finishes ends the computing of a filler.
func (f *filler) finishes(word string) { _, _ = io.WriteString(f.words, word+"\n") }

// kill kills a filler while it computes.
func (f *filler) kill() {
	f.killed = monotonic()
	_ = f.process.Process.Kill()
}

// disperse kills all fillers, and reads what they had to say.
func (c *crowd) disperse() {
	for _, f := range c.fillers {
		_ = f.process.Process.Kill()
	}
	c.readers.Wait()
	close(c.lines)
	for d := range c.lines {
		c.deeds = append(c.deeds, d)
	}
}

// fillStat is a number that "stats fills" or "stats fill KEY" has under that name.
func (c *crowd) fillStat(command, name string) string {
	c.t.Helper()
	for _, line := range harness.Ask(c.t, c.address, command) {
		if words := strings.Fields(line); len(words) == 3 && words[1] == name {
			return words[2]
		}
	}
	c.t.Fatalf("%s has no %s", command, name)
	return ""
}

// holdsBack waits until so many gets are held back.
func (c *crowd) holdsBack(gets int) {
	c.t.Helper()
	testenv.Eventually(c.t, fmt.Sprintf("%d gets are held", gets), func() bool {
		return c.fillStat("stats fills", "held_gets") == strconv.Itoa(gets)
	})
}
