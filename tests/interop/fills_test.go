package interop_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
)

// fillersVariable is how many processes of each client want the same key. Without it they are a few
// of gomemcache.
const (
	fillersVariable = "LOCKCACHED_FILLERS"
	fewFillers      = 8
	fewRounds       = 1
)

// fillerPrograms are clients that know get and set, and nothing of fills.
var fillerPrograms = []struct {
	name    string
	program program
	hasty   bool // its calls end with an error after 500 ms, which a busy machine may need
}{
	{"gomemcache", gomemcacheFiller, true},
	{"pymemcache", python("filler.py", "pymemcache"), false},
	{"php-memcached", php("filler.php"), false},
	{"Dalli", ruby("filler.rb", "dalli"), false},
}

const (
	pageKey     = "page:1"
	pageTTL     = 2 * time.Second
	computing   = 200 * time.Millisecond
	fillRounds  = 3
	patientFill = "page:*=5m" // a slow machine must not end a fill
)

// crowdSize is how many fillers take part; 0 if the program is left out.
func crowdSize(t *testing.T, hasty bool) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(fillersVariable))
	switch {
	case err == nil:
		return n
	case hasty:
		return fewFillers
	}
	t.Skip("set " + fillersVariable + "=50 to play it with fifty processes; .ci/run does")
	return 0
}

// TestOneComputes has processes get a key, compute it and set it, with clients that know nothing
// of fills. One of them computes it each time that it expires, and the others are answered with
// its value. If it is killed while it computes, one other computes.
func TestOneComputes(t *testing.T) {
	t.Parallel()
	for _, client := range fillerPrograms {
		t.Run(client.name, func(t *testing.T) {
			size := crowdSize(t, client.hasty)
			c := gather(t, runServer(t, "--coalesce", patientFill), pageKey, client.program(t), size, pageTTL)
			held := size - 1
			if client.hasty {
				held = 0 // some may have given up
			}
			rounds := fillRounds
			if os.Getenv(fillersVariable) == "" {
				rounds = fewRounds
			}
			for range rounds {
				c.computesOnce(held)
			}
			victim := c.await("miss", nil).by
			if held > 0 {
				c.holdsBack(held)
				held--
			}
			victim.kill()
			if heir := c.computesOnce(held); heir == victim {
				t.Error("a killed process computes")
			}
			c.disperse()
			c.judge(rounds, client.hasty)
		})
	}
}

// computesOnce lets the key be computed and stored, once so many gets are held.
func (c *crowd) computesOnce(held int) (by *filler) {
	c.t.Helper()
	by = c.await("miss", nil).by
	<-time.After(computing)
	if held > 0 {
		c.holdsBack(held)
	}
	by.finishes("store")
	c.await("stored sent", by)
	return by
}

// A computation is what followed a miss.
type computation struct {
	began deed
	ended deed // stored, or sent; nothing if the filler was killed
	held  int  // gets that had waited for the value
}

// computations are all that have ended.
func (c *crowd) computations() (all []*computation) {
	for _, d := range c.deeds {
		switch d.what {
		case "miss":
			all = append(all, &computation{began: d})
		case "stored", "sent":
			for _, x := range slices.Backward(all) {
				if x.began.by == d.by {
					x.ended = d
					break
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b *computation) int { return int(a.began.told - b.began.told) })
	return all
}

// judge compares all that was printed with what is promised. All its bounds follow from the order
// of things, so that no slow machine breaks them; how long it took is only reported.
func (c *crowd) judge(rounds int, hasty bool) {
	c.t.Helper()
	all := c.computations()
	values := make(map[string]*computation)
	for i, x := range all {
		values[x.ended.value] = x
		if i == 0 {
			continue
		}
		switch before := all[i-1]; {
		case before.ended.what == "" && (before.began.by.killed == 0 || x.began.told < before.began.by.killed):
			c.t.Errorf("a second miss %v after the first, whose filler still computes", since(before.began.told, x.began.told))
		case before.ended.what != "" && x.began.told < before.ended.asked+int64(pageTTL):
			c.t.Errorf("a miss %v after the value was stored", since(before.ended.asked, x.began.told))
		}
	}
	var delays []int64
	faults := 0
	for _, d := range c.deeds {
		switch x := values[d.value]; {
		case d.what == "fault":
			faults++
		case d.what != "hit":
		case x == nil || d.told < x.ended.asked:
			c.t.Errorf("a get was answered with %q before it was stored", d.value)
		case x.ended.what == "stored" && d.asked > x.ended.told+int64(pageTTL):
			c.t.Errorf("a value was there %v after it was stored", since(x.ended.told, d.asked))
		case d.asked < x.ended.asked:
			x.held++
			delays = append(delays, d.told-x.ended.told)
		}
	}
	c.t.Logf("%d computations", len(all))
	c.judgeHeld(all[:rounds], delays, faults, hasty)
}

// judgeHeld is judge for the gets that were held back.
func (c *crowd) judgeHeld(all []*computation, delays []int64, faults int, hasty bool) {
	c.t.Helper()
	if len(delays) == 0 || faults > 0 && !hasty {
		c.t.Fatalf("%d gets were held back; %d faults", len(delays), faults)
	}
	others := len(c.fillers) - 1
	for _, x := range all {
		if !hasty && x.held != others {
			c.t.Errorf("%d gets were held for a computation, want %d", x.held, others)
		}
	}
	slices.Sort(delays)
	at := func(q float64) time.Duration { return time.Duration(delays[int(q*float64(len(delays)-1))]) }
	c.t.Logf("%d processes: %d gets held, answered after the set by p50 %v, p99 %v, at most %v; %d timeouts",
		len(c.fillers), len(delays), at(0.5), at(0.99), at(1), faults)
}

func since(from, to int64) time.Duration { return time.Duration(to - from) }

// TestNobodyStores: a key that is asked for and never stored delays gets at first, as long as a
// filler is given, and later none. When it is stored again, gets are held again.
func TestNobodyStores(t *testing.T) {
	t.Parallel()
	for _, client := range fillerPrograms {
		t.Run(client.name, func(t *testing.T) {
			size := min(crowdSize(t, client.hasty), fewFillers)
			c := gather(t, runServer(t, "--coalesce", "page:*=400ms"), pageKey, client.program(t), size, time.Second)
			before := c.answers("no", "0", size, 0)
			testenv.Eventually(t, "nobody is held", func() bool { return c.fillStat("stats fills", "held_gets") == "0" })
			after := c.answers("no", "0", 10*size, monotonic())
			if n := c.fillStat("stats fills", "held_gets"); n != "0" {
				t.Errorf("%s gets are held for a key that nobody stores", n)
			}
			c.answers("store", "1", 1, 0)
			c.disperse()
			t.Logf("%d processes: a get was delayed by %v at most; when nobody stored the key, by %v", size, before, after)
		})
	}
}

// answers lets all who compute finish in the same way, so many at least, until the server holds
// gets of the key or does not. It returns how long a get has taken at most that was sent since then.
func (c *crowd) answers(word, holds string, least int, sentSince int64) (longest time.Duration) {
	c.t.Helper()
	for n := 0; n < least || c.fillStat("stats fill "+c.key, "holds") != holds; n++ {
		miss := c.await("miss", nil)
		if miss.asked >= sentSince {
			longest = max(longest, since(miss.asked, miss.told))
		}
		miss.by.finishes(word)
	}
	return longest
}
