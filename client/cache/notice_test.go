package cache

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/locks"
)

// A crowd is some processes that want a value which cannot be stored.
type crowd struct {
	mates []*fleetmate[string]
	value string
	begun atomic.Int32 // computations
}

const crowdSize = 6

func newCrowd(t *testing.T, address string, value string, config Config[string]) *crowd {
	c := &crowd{value: value}
	for range crowdSize {
		c.mates = append(c.mates, mate(t, address, config))
	}
	return c
}

// compute takes until all callers have come, if it is the first.
func (c *crowd) compute(t *testing.T, misses uint64) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		c.begun.Add(1)
		eventually(t, "all have come", func() bool { return c.sum(func(s Stats) uint64 { return s.Misses }) == misses })
		return c.value, nil
	}
}

// sum adds up what the processes counted.
func (c *crowd) sum(field func(Stats) uint64) (n uint64) {
	for _, m := range c.mates {
		n += field(m.Stats())
	}
	return n
}

// wants lets each process ask for the value the nth time, by some goroutines.
func (c *crowd) wants(t *testing.T, nth uint64) {
	t.Helper()
	const each = 3
	fellThrough := func() uint64 { return c.sum(func(s Stats) uint64 { return s.FellThrough }) }
	before := fellThrough()
	var callers sync.WaitGroup
	for _, m := range c.mates {
		for range each {
			callers.Go(func() { m.wants(c.value, c.compute(t, nth*crowdSize*each)) })
		}
	}
	callers.Wait()
	// A goroutine that is slow to come may find that the others of its process are done.
	if n := c.begun.Swap(0); n < crowdSize || n > 2*crowdSize {
		t.Errorf("%d processes computed %d times", crowdSize, n)
	}
	// All but the first, unless the machine is so slow that a notice is over by then.
	n := fellThrough() - before
	t.Logf("%d of %d computed without the lock", n, crowdSize)
	if n == 0 {
		t.Error("they computed one after the other")
	}
}

// A value that cannot be stored is computed once while the others wait, and then by
// each process for itself.
func TestUnstorable(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"too large for lockcached": func(t *testing.T) string {
			return newHost(t, locks.Config{ItemSizeMax: 8 << 10})
		},
		"too large for memcached": func(t *testing.T) string { return memcached(t, "-I", "512k") },
		"lockcached has some room": func(t *testing.T) string {
			return fullOfLocks(t, newHost(t, locks.Config{MemoryLimit: 2 << 20}), 4<<10)
		},
		"lockcached has no room": func(t *testing.T) string {
			return fullOfLocks(t, newHost(t, locks.Config{MemoryLimit: 2 << 20}), 4<<10, 10)
		},
		"lockcached has room for a lock": func(t *testing.T) string {
			addr := fullOfLocks(t, newHost(t, locks.Config{MemoryLimit: 2 << 20}), 4<<10, 60)
			is(t, "making room", newMemcache(t, addr).Delete("fill:60:0"), nil)
			return addr
		},
		"memcached evicts nothing": func(t *testing.T) string {
			return fullOfLocks(t, memcached(t, "-m", "8", "-M"), 64<<10, 600<<10)
		},
		"lockcached stores no value": func(t *testing.T) string {
			return newMiser(t, newHost(t, locks.Config{}), "SERVER_ERROR out of memory storing object\r\n")
		},
		"memcached stores no value": func(t *testing.T) string {
			return newMiser(t, memcached(t), "SERVER_ERROR out of memory storing object\r\n")
		},
		"lockcached evicts at once": func(t *testing.T) string {
			return newMiser(t, newHost(t, locks.Config{}), "STORED\r\n")
		},
		"memcached evicts at once": func(t *testing.T) string {
			return newMiser(t, memcached(t), "STORED\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, start(t), strings.Repeat("x", 600<<10), Config[string]{})
			c.wants(t, 1)
			c.wants(t, 2)
		})
	}
}

// Who is to compute under the lock, or not at all, is not told that it is no use.
func TestUnstorableGiveUp(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, address string) {
		through, careful := mate(t, address, Config[string]{}), mate(t, address, Config[string]{WaitOver: GiveUp})
		notice := envelope{freshUntil: time.Now().Add(time.Hour), unstorable: true}
		through.stored(notice)
		through.wants("mine", of("mine"))
		through.counted(Stats{Misses: 1, FellThrough: 1, Computed: 1})
		careful.wants("careful", of("careful"))
		careful.counted(Stats{Misses: 1, Computed: 1})
		through.wants("careful", unwanted[string](t))

		notice.freshUntil = time.Now().Add(-time.Second)
		through.stored(notice)
		through.wants("again", of("again"))
		careful.wants("again", unwanted[string](t))
	})
}

// fullOfLocks leaves no room for another lock of such a size, and then of the next.
func fullOfLocks(t *testing.T, address string, sizes ...int) string {
	t.Helper()
	mc := newMemcache(t, address)
	for _, size := range sizes {
		full := func(i int) bool {
			err := mc.Add(&memcache.Item{Key: fmt.Sprintf("fill:%d:%d", size, i), Value: make([]byte, size)})
			if err != nil && strings.Contains(err.Error(), "SERVER_ERROR") {
				return true
			}
			is(t, "filling", err, nil)
			return false
		}
		for i := 0; !full(i); i++ {
		}
	}
	return address
}

// newMiser leads to a server, but for the value of page:1: for that it has an answer,
// and nothing else.
func newMiser(t *testing.T, target, answer string) (addr string) {
	t.Helper()
	return testhost.Proxy(t, target, func(near, far net.Conn) {
		go func() { _, _ = io.Copy(near, far) }()
		withhold(near, far, answer)
	})
}

// withhold passes requests on, but for those that store page:1.
func withhold(near, far net.Conn, answer string) {
	defer near.Close()
	defer far.Close()
	for in := bufio.NewReader(near); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		size := -2
		if storing := len(words) > 4 && words[0] != "gets"; storing {
			size, _ = strconv.Atoi(words[4])
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		if size >= 0 && words[1] == "page:1" {
			_, err = io.WriteString(near, answer)
		} else {
			_, err = io.WriteString(far, line+string(data))
		}
		if err != nil {
			return
		}
	}
}
