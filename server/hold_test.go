package server

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// holding is a configuration with policies for the fills of pages.
func holding(hold, stale time.Duration) locks.Config {
	page := locks.MustPattern("page:*")
	return locks.Config{
		HoldPolicies:  []locks.FillPolicy{{Pattern: page, For: hold}},
		StalePolicies: []locks.FillPolicy{{Pattern: page, For: stale}},
	}
}

// TestHeldGetsAtShutdown: all held gets are told the miss, quiet ones too, and the server ends.
func TestHeldGetsAtShutdown(t *testing.T) {
	bubbleOf(t, holding(time.Minute, 0), Config{}, func(t *testing.T, s *Server) {
		filler, held, several, quiet := connect(t, s), connect(t, s), connect(t, s), connect(t, s)
		filler.send("get page:1")
		filler.gets("END")
		held.send("get page:1")
		several.send("get page:1 page:1 other")
		quiet.send("mg page:1 v q", "mn")
		held.gets()
		several.gets()
		quiet.gets()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		held.gets("END")
		several.gets("END")
		quiet.gets("MN")
		if n := s.locks.FillTotals().Held; n != 0 || !held.isClosed() {
			t.Errorf("%d are held; closed: %v", n, held.isClosed())
		}
	})
}

// TestPoliciesGo: gets that are held, and quiet ones that have not been asked for, are answered with
// the value. Later ones are not held.
func TestPoliciesGo(t *testing.T) {
	bubbleOf(t, holding(time.Minute, time.Minute), Config{}, func(t *testing.T, s *Server) {
		filler, several, quiet, later := connect(t, s), connect(t, s), connect(t, s), connect(t, s)
		filler.send("get page:1")
		filler.gets("END")
		several.send("get other page:1")
		quiet.send("mg page:1 v q")
		several.gets()
		quiet.gets()
		s.locks.Reconfigure(locks.Config{})
		later.send("get page:1", "mg page:1 v q", "mn")
		later.gets("END", "MN")
		quiet.send("mg page:2 v q", "mn")
		quiet.gets()
		filler.send("set page:1 0 60 1", "x")
		filler.gets("STORED")
		several.gets("VALUE page:1 0 1", "x", "END")
		quiet.gets("VA 1", "x", "MN")
		for _, c := range []*pipeClient{several, quiet} {
			c.send("get page:3", "mg page:3 v q", "mn")
			c.gets("END", "MN")
		}
	})
}

// TestPoliciesCome to clients that are connected.
func TestPoliciesCome(t *testing.T) {
	bubbleOf(t, locks.Config{}, Config{}, func(t *testing.T, s *Server) {
		filler, held := connect(t, s), connect(t, s)
		for _, c := range []*pipeClient{filler, held} {
			c.send("get page:1", "stats fills", "get lockcached:fills")
			c.gets("END", "ERROR", "END")
		}
		s.locks.Reconfigure(holding(time.Minute, 0))
		filler.send("get page:1")
		filler.gets("END")
		held.send("get page:1")
		held.gets()
		filler.send("set page:1 0 60 1", "x")
		filler.gets("STORED")
		held.gets("VALUE page:1 0 1", "x", "END")
	})
}

// TestHeldGetHangsUp: a client that has gone is not counted on.
func TestHeldGetHangsUp(t *testing.T) {
	bubbleOf(t, holding(10*time.Second, 0), Config{}, func(t *testing.T, s *Server) {
		filler, gone, next := connect(t, s), connect(t, s), connect(t, s)
		filler.send("get page:1")
		filler.gets("END")
		gone.send("get page:1")
		gone.gets()
		next.send("get page:1 page:2x")
		next.gets("END") // it fills the second
		next.send("get page:1")
		next.gets()
		gone.hangUp()
		synctest.Wait()
		if n := s.locks.FillTotals().Held; n != 1 {
			t.Errorf("%d are held", n)
		}
		filler.hangUp()
		next.gets("END")
	})
}

// TestManyHeldGets answers many at once, each in its dialect, with values of all sizes.
func TestManyHeldGets(t *testing.T) {
	for _, size := range []int{1, maxDirect, maxDirect + 1, 300 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubbleOf(t, holding(10*time.Second, 0), Config{}, func(t *testing.T, s *Server) {
				filler := connect(t, s)
				filler.send("get page:1")
				filler.gets("END")
				var held []*pipeClient
				for range 50 {
					held = append(held, connect(t, s))
				}
				for _, c := range held {
					c.send("get page:1")
				}
				value := strings.Repeat("x", size)
				filler.send(fmt.Sprintf("set page:1 0 60 %d", size), value)
				filler.gets("STORED")
				time.Sleep(time.Millisecond) // so many are told a little later
				for _, c := range held {
					c.gets(fmt.Sprintf("VALUE page:1 0 %d", size), value, "END")
					c.send("version")
					c.gets("VERSION " + Version)
				}
				if got := s.locks.FillTotals(); got.Held != 0 || got.Filling != 0 || got.Bytes != 0 {
					t.Errorf("%+v", got)
				}
				before := s.locks.Totals()
				if before.MemoryBytes > before.Bytes+int64(size)+1000 {
					t.Errorf("%d bytes count, of which items take %d", before.MemoryBytes, before.Bytes)
				}
			})
		})
	}
}

// TestHeldGetsOnSockets holds gets of several kinds on each kind of socket, several rounds on the
// same connections: with a value, by their own time, by more input.
func TestHeldGetsOnSockets(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		m := locks.NewManager(holding(time.Minute, 0))
		s, dial := listening(t, network, Config{Locks: m})
		filler := dial()
		var held []*socketClient
		for range 20 {
			held = append(held, dial())
		}
		for round := range 5 {
			key := fmt.Sprint("page:", round)
			filler.send("get " + key)
			filler.gets("END")
			for i, c := range held {
				c.send([]string{"get " + key, "gets " + key, "mg " + key + " v q", "get other " + key, "gat 60 " + key}[i%5])
				if i%5 == 2 {
					c.send("mn")
				}
			}
			eventually(t, "all are held", func() bool { return s.locks.FillTotals().Held == len(held) })
			held[0].send("version")
			held[0].gets("END", "VERSION "+Version)
			size := 1 << (4 * round)
			value := strings.Repeat("x", size)
			filler.send(fmt.Sprintf("set %s 0 60 %d", key, size), value)
			filler.gets("STORED")
			for i, c := range held[1:] {
				switch (i + 1) % 5 {
				case 1:
					line, _ := c.in.ReadString('\n')
					if !strings.HasPrefix(line, fmt.Sprintf("VALUE %s 0 %d ", key, size)) {
						t.Errorf("got %q", line)
					}
					c.gets(value, "END")
				case 2:
					c.gets(fmt.Sprint("VA ", size), value, "MN")
				default:
					c.gets(fmt.Sprintf("VALUE %s 0 %d", key, size), value, "END")
				}
			}
		}
	})
}

// TestHeldGetsTakeLittle bounds what a held get takes beside its connection.
func TestHeldGetsTakeLittle(t *testing.T) {
	const n, most = 400, 1500
	m := locks.NewManager(holding(time.Minute, 0))
	s, dial := listening(t, "tcp", Config{Locks: m})
	filler := dial()
	var held []*socketClient
	for range n {
		held = append(held, dial())
	}
	for _, key := range []string{"page:1", "page:2"} { // what all have in common is there after the first round
		before := alive()
		filler.send("get " + key)
		filler.gets("END")
		for _, c := range held {
			c.send("get " + key)
		}
		eventually(t, "all are held", func() bool { return s.locks.FillTotals().Held == n })
		each := (alive() - before) / n
		t.Logf("%d bytes for each", each)
		if key == "page:2" && each > most {
			t.Errorf("%d bytes for each", each)
		}
		filler.send("set "+key+" 0 60 1", "x")
		filler.gets("STORED")
		for _, c := range held {
			c.gets("VALUE "+key+" 0 1", "x", "END")
		}
	}
}

// alive is how many bytes of the heap are in use.
func alive() int {
	runtime.GC()
	runtime.GC() // what is pooled goes with the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
