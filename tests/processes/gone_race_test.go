package processes_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// rounds is how often a race is run: $LOCKCACHED_ROUNDS, or a number that keeps
// an ordinary test run short.
func rounds(t *testing.T) int {
	value := os.Getenv("LOCKCACHED_ROUNDS")
	if value == "" {
		return 300
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("LOCKCACHED_ROUNDS: %v", err)
	}
	return n
}

// tally is the result of the rounds so far.
type tally struct {
	mu    sync.Mutex
	took  int             // rounds in which the client got the lock
	stays []time.Duration // how long the next waiter waited for each client that was gone
}

func (y *tally) addTook() {
	y.mu.Lock()
	y.took++
	y.mu.Unlock()
}

func (y *tally) addGone(stay time.Duration) {
	y.mu.Lock()
	y.stays = append(y.stays, max(stay, 0))
	y.mu.Unlock()
}

// met reports whether there were clients of both kinds.
func (y *tally) met() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.took > 0 && len(y.stays) > 0
}

// judge reports the tally, and fails the test unless there were both kinds and no lock
// stays with a client that has gone: its lease would outlast the test. How long the lock
// stays is only logged, since it depends on the machine.
func (y *tally) judge(t *testing.T, address string) {
	t.Helper()
	var locks map[string]string
	testenv.Eventually(t, "no lock is held and no claim queued in the end", func() bool {
		locks = lockTotals(t, address)
		return locks["held"] == "0" && locks["queued"] == "0"
	})
	if y.took == 0 || len(y.stays) == 0 {
		t.Fatalf("the moment of the hand-off was not met: %d took the lock, %d did not", y.took, len(y.stays))
	}
	slices.Sort(y.stays)
	t.Logf("%d took the lock; %d were gone, %s of them too late not to be granted it: it stayed for %v (median), %v (99 of 100), %v (longest)",
		y.took, len(y.stays), locks["withdrawn"], y.stays[len(y.stays)/2], y.stays[len(y.stays)*99/100], y.stays[len(y.stays)-1])
}

func lockTotals(t *testing.T, address string) map[string]string {
	t.Helper()
	totals := make(map[string]string)
	for _, line := range harness.Ask(t, address, "stats locks") {
		words := strings.Fields(line)
		totals[words[1]] = words[2]
	}
	return totals
}

// TestTimeoutAgainstGrant: gomemcache closes its connection when its timeout ends. Here
// that is at about the time when it is served.
func TestTimeoutAgainstGrant(t *testing.T) {
	t.Parallel()
	address := runServer(t)
	timeoutAgainstGrant(t, address, func() *memcache.Client { return clientOf(t, address) })
}

// TestTLSTimeoutAgainstGrant: TLS has its own goodbye, which must not hide that an
// answer was not taken.
func TestTLSTimeoutAgainstGrant(t *testing.T) {
	t.Parallel()
	s := harness.RunTLSServer(t)
	timeoutAgainstGrant(t, s.Plain, func() *memcache.Client { return s.Client(t, "alice") })
}

// timeoutAgainstGrant plays rounds with clients of a server; at address it asks the server
// about them.
func timeoutAgainstGrant(t *testing.T, address string, newClient func() *memcache.Client) {
	t.Helper()
	const crews = 16
	n, outcome := int64(rounds(t)), new(tally)
	var begun atomic.Int64
	var wg sync.WaitGroup
	for range crews {
		wg.Go(func() {
			c := crew{holder: newClient(), hasty: newClient(), watcher: newClient(), step: minStep}
			end := time.Now().Add(testenv.Patience)
			more := func(round int64) bool {
				return round <= n || !outcome.met() && time.Now().Before(end) // a slow machine takes longer to meet both
			}
			for round := begun.Add(1); more(round) && !t.Failed(); round = begun.Add(1) {
				took, stay, err := c.round(fmt.Sprint("job:", round), round)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				if took {
					outcome.addTook()
				} else {
					outcome.addGone(stay)
				}
			}
		})
	}
	wg.Wait()
	outcome.judge(t, address)
}

// crew are the three clients that meet in a round.
type crew struct {
	holder, hasty, watcher *memcache.Client
	lead                   time.Duration // of the hand-off over the timeout for a draw
	step                   time.Duration // by which the next round changes the lead
	took                   bool          // how the latest round ended
}

const minStep = 50 * time.Microsecond

// steer brings the next round closer to a draw, in steps that grow as long as the same
// side wins: on a slow machine a draw is far away.
func (c *crew) steer(took bool) {
	if c.step = min(2*c.step, time.Second); took != c.took {
		c.step = minStep
	}
	c.took = took
	if took {
		c.lead -= c.step
	} else {
		c.lead += c.step
	}
}

const (
	holdTime = 20 * time.Millisecond
	inLine   = "lockcached:wait=5m:"
)

// round makes holder release the lock while the timeout of hasty runs out, and watcher wait
// for the outcome. It reports whether hasty took the lock and, if not, how long the lock
// stayed with hasty all the same.
func (c *crew) round(key string, number int64) (took bool, stay time.Duration, err error) {
	if err := errors.Join(c.holder.Add(item(key, "holder", 600)), c.hasty.Ping()); err != nil {
		return false, 0, err // the ping makes hasty dial before its time runs
	}
	spread := time.Duration(number%41-20) * 50 * time.Microsecond
	c.hasty.Timeout = max(holdTime+c.lead+spread, time.Millisecond)
	began := time.Now()
	hasty := goAdd(c.hasty, key, "hasty")
	for !queued(c.holder, key) && time.Since(began) < holdTime {
		time.Sleep(time.Millisecond)
	}
	watcher := goAdd(c.watcher, key, "watcher")
	time.Sleep(time.Until(began.Add(holdTime)))
	released := time.Now()
	if err := c.holder.Delete(key); err != nil {
		return false, 0, err
	}
	end := <-hasty
	c.hasty.Timeout = testenv.Patience
	took = end.err == nil
	if c.steer(took); took {
		err = c.hasty.Delete(key)
	}
	next := <-watcher
	if !took {
		stay = next.at.Sub(later(end.at, released))
	}
	return took, stay, errors.Join(err, next.err, c.watcher.Delete(key))
}

// answer is the outcome of a claim, and when it came.
type answer struct {
	err error
	at  time.Time
}

// goAdd claims the lock of a key and waits for it in the background.
func goAdd(c *memcache.Client, key, value string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		err := c.Add(item(inLine+key, value, 600))
		done <- answer{err, time.Now()}
	}()
	return done
}

// queued reports whether anybody waits in line.
func queued(c *memcache.Client, key string) bool {
	item, err := c.Get("lockcached:lock:" + key)
	return err == nil && !bytes.Contains(item.Value, []byte(" queued=0 "))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// asVictim makes this test binary run as a client that is going to be killed.
const asVictim = "LOCKCACHED_TEST_AS_VICTIM"

// claimAll waits for every key in a connection of its own, and passes the answers on to
// standard output. Splice does that in one step: what can be read there is what the process
// took, whenever the kill hit it.
func claimAll(address string, keys []string) {
	for _, key := range keys {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			os.Exit(1)
		}
		file, _ := conn.(*net.TCPConn).File()
		fd := int(file.Fd())
		_, _ = fmt.Fprintf(conn, "ms %s 6 ME T600 W300000 k\r\nvictim\r\n", key)
		go func() {
			for n := int64(1); n > 0; {
				n = splice(fd, int(os.Stdout.Fd()))
			}
			_ = file.Close()
		}()
	}
	select {}
}

// TestKillAgainstGrant kills processes with twenty claims each while one lock
// after the other is handed to them.
func TestKillAgainstGrant(t *testing.T) {
	t.Parallel()
	const claims = 20
	address, outcome := runServer(t), new(tally)
	holder := clientOf(t, address)
	watchers := clientOf(t, address)
	watchers.Timeout, watchers.MaxIdleConns = 20*time.Second, claims
	for first := 0; first < rounds(t); first += claims {
		var keys []string
		for i := range claims {
			keys = append(keys, fmt.Sprint("job:", first+i))
			is(t, "holder's add", holder.Add(item(keys[i], "holder", 600)), nil)
		}
		v := startVictim(t, address, keys)
		var next []<-chan answer
		for _, key := range keys {
			waitForField(t, holder, "lockcached:lock:"+key, "queued=1")
			next = append(next, goAdd(watchers, key, "watcher"))
		}
		for _, key := range keys {
			waitForField(t, holder, "lockcached:lock:"+key, "queued=2")
		}
		released := v.killBetween(t, holder, keys, first/claims%(claims+1))
		v.settle(t, outcome, holder, keys, released, next)
	}
	outcome.judge(t, address)
}

type victim struct {
	cmd  *exec.Cmd
	out  io.Reader
	died time.Time // a while after the kill: each of its threads has to notice
}

func startVictim(t *testing.T, address string, keys []string) *victim {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{address}, keys...)...)
	cmd.Env = append(os.Environ(), asVictim+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &victim{cmd: cmd, out: out}
}

// killBetween releases the locks in turn, kills the victim when it has released n of them,
// and returns when each lock was released.
func (v *victim) killBetween(t *testing.T, holder *memcache.Client, keys []string, n int) (released []time.Time) {
	t.Helper()
	for i, key := range keys {
		if i == n {
			_ = v.cmd.Process.Kill()
		}
		released = append(released, time.Now())
		is(t, "delete", holder.Delete(key), nil)
	}
	if n == len(keys) {
		_ = v.cmd.Process.Kill()
	}
	return released
}

// settle waits until every lock is with its watcher. Those that the victim took
// stay with it until they are deleted.
func (v *victim) settle(t *testing.T, outcome *tally, holder *memcache.Client, keys []string, released []time.Time, next []<-chan answer) {
	t.Helper()
	taken := v.taken(t)
	for i, key := range keys {
		if !slices.Contains(taken, key) {
			end := <-next[i]
			is(t, "watcher's add", end.err, nil)
			outcome.addGone(end.at.Sub(later(v.died, released[i])))
			is(t, "delete", holder.Delete(key), nil)
		}
	}
	for i, key := range keys {
		if slices.Contains(taken, key) {
			holds(t, holder, key, "victim")
			is(t, "delete", holder.Delete(key), nil)
			end := <-next[i]
			is(t, "watcher's add", end.err, nil)
			outcome.addTook()
			is(t, "delete", holder.Delete(key), nil)
		}
	}
}

// taken returns the keys whose grants the victim had taken when it was killed.
func (v *victim) taken(t *testing.T) (keys []string) {
	t.Helper()
	lines := bufio.NewScanner(v.out)
	for lines.Scan() {
		var key string
		if n, err := fmt.Sscanf(lines.Text(), "HD k%s", &key); n != 1 {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		keys = append(keys, key)
	}
	_ = v.cmd.Wait() // it was killed
	v.died = time.Now()
	return keys
}
