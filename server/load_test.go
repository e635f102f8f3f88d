package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// 50 connections with all commands mixed, for the race detector. Each sends its
// requests in batches and checks that it gets one reply for each; some close in between.
func TestMixedLoad(t *testing.T) {
	batches := 40
	if testing.Short() {
		batches = 10
	}
	onSockets(t, func(t *testing.T, network string) {
		s, dial := listening(t, network, Config{Locks: patient(policy("lock:policy", 5*time.Millisecond))})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				c := dial()
				for range batches {
					c.batch(fmt.Sprint("client", i))
					if rand.IntN(20) == 0 {
						_ = c.Close()
						c = dial()
					}
				}
			})
		}
		all.Wait()
		total := s.locks.Totals()
		ended := total.Counters[stats.Released] + total.Counters[stats.Expired] + total.Counters[stats.Withdrawn]
		if total.Counters[stats.Acquired] != ended+uint64(total.Held) || total.Queued != 0 {
			t.Errorf("%d grants, %d have ended, %d locks are held; %d are in line",
				total.Counters[stats.Acquired], ended, total.Held, total.Queued)
		}
	})
}

// batch sends some requests at once and reads up to the answer to the last one.
func (c *socketClient) batch(name string) {
	var requests strings.Builder
	for range 1 + rand.IntN(20) {
		requests.WriteString(request(name))
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, requests.String()+"mn\r\n")
		sent <- err
	}()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || strings.Contains(line, "ERROR") {
			c.t.Errorf("got %q, %v in answer to\n%s", line, err, requests.String())
			return
		}
		if line == "MN\r\n" {
			break
		}
	}
	if err := <-sent; err != nil {
		c.t.Error(err)
	}
}

// request returns a request of any kind that is never answered with an error.
func request(name string) string {
	key := fmt.Sprint("lock:", rand.IntN(8))
	exptime := rand.IntN(4) - 1
	size := rand.IntN(200)
	if rand.IntN(50) == 0 {
		size = 50_000
	}
	storage := func(command, key, rest string) string {
		return fmt.Sprintf("%s %s %d %d %d%s\r\n%s\r\n", command, key, rand.IntN(5), exptime, size, rest, strings.Repeat("x", size))
	}
	switch n := rand.IntN(40); n {
	case 0, 1, 2, 3:
		return storage("add", key, "")
	case 4, 5, 6:
		return storage("add", fmt.Sprint("lockcached:wait=", rand.IntN(10), ":", key), "")
	case 7:
		return storage("add", "lock:policy", "")
	case 8:
		return storage("set", name, "")
	case 9:
		return storage([]string{"replace", "append", "prepend"}[rand.IntN(3)], key, " noreply")
	case 10:
		return storage("cas", key, " 1")
	case 11, 12, 13, 14, 15, 16:
		return fmt.Sprintf("delete %s\r\n", key)
	case 17:
		return "delete lock:policy\r\n"
	case 18, 19:
		return fmt.Sprintf("get %s %s absent\r\n", key, name)
	case 20:
		return fmt.Sprintf("gets %s\r\n", key)
	case 21:
		return fmt.Sprintf("gats %d %s\r\n", exptime, key)
	case 22:
		return fmt.Sprintf("touch %s %d\r\n", key, exptime)
	case 23:
		return fmt.Sprintf("set n%s 0 0 1\r\n5\r\nincr n%s 7\r\ndecr n%s 8\r\n", name, name, name)
	case 24:
		return fmt.Sprintf("ms %s %d ME T1 W%d c w p k\r\n%s\r\n", key, size, rand.IntN(10), strings.Repeat("x", size))
	case 25:
		return fmt.Sprintf("mg %s v t c f h l\r\n", key)
	case 26:
		return fmt.Sprintf("md %s q\r\nma n%s N0 J1 T5\r\nme %s\r\n", key, name, key)
	case 27:
		return fmt.Sprintf("get lockcached:lock:%s lockcached:class:lock\r\n", key)
	case 28:
		return "stats lock " + key + "\r\n"
	case 29:
		return "stats detail on\r\nstats detail dump\r\nstats detail off\r\n"
	case 30:
		return "flush_all\r\n"
	case 31:
		return "flush_all 1 noreply\r\nverbosity 1\r\nversion\r\n"
	case 32:
		return "cache_memlimit 16\r\n"
	}
	stats := []string{"", " settings", " items", " slabs", " sizes", " conns", " locks", " classes", " contended", " cachedump 1 10"}
	return "stats" + stats[rand.IntN(len(stats))] + "\r\n"
}
