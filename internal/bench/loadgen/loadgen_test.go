//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestWorkloads(t *testing.T) {
	for _, c := range allCells() {
		w := c.workload(false, 0)
		if len(w.cycles) != c.conns {
			t.Errorf("%s: %d cycles, want one per connection", c.name(), len(w.cycles))
		}
		for _, b := range w.cycles[0] {
			if b.ops != c.inFlight {
				t.Errorf("%s: a batch of %d requests", c.name(), b.ops)
			}
		}
	}
}

func TestPairsFillABatch(t *testing.T) {
	pair := []exchange{textDialect{}.add("k", 1), textDialect{}.remove("k")}
	if alone := (cell{inFlight: 1}).cycle(pair...); len(alone) != 2 {
		t.Errorf("1 in flight: %d batches, want add and delete in turn", len(alone))
	}
	pipelined := cell{inFlight: 16}.cycle(pair...)
	want := strings.Repeat("STORED\r\nDELETED\r\n", 8)
	if len(pipelined) != 1 || string(pipelined[0].replies) != want {
		t.Errorf("16 in flight: %d batches, first reply %q", len(pipelined), pipelined[0].replies)
	}
}

func TestRepliesInPieces(t *testing.T) {
	pair := newBatch(binaryDialect{}.add("k", 1), binaryDialect{}.remove("k"))
	replies := bytes.Clone(pair.replies)
	replies[casAt], replies[casAt+casSize-1] = 1, 2
	for size := 1; size <= len(replies); size++ {
		received := 0
		for piece := range slices.Chunk(bytes.Clone(replies), size) {
			if !pair.accepts(piece, received) {
				t.Fatalf("pieces of %d bytes: %q is refused at %d", size, piece, received)
			}
			received += len(piece)
		}
	}
}

func TestPacketsOfABatchHaveDifferentOpaques(t *testing.T) {
	pair := newBatch(binaryDialect{}.add("k", 1), binaryDialect{}.remove("k"))
	opaque := func(reply []byte) string { return string(reply[opaqueAt : opaqueAt+opaqueSize]) }
	if first, second := opaque(pair.replies), opaque(pair.replies[headerSize:]); first == second {
		t.Errorf("both are %q", first)
	}
}

func TestAdvance(t *testing.T) {
	for _, test := range []struct {
		name, counters string
		by             int
		want           string
	}{
		{"no-carry", "1000000001\r\n", 1, "1000000002\r\n"},
		{"carry", "1000000999\r\n", 16, "1000001015\r\n"},
		{"each-line", "1000000001\r\n1000000002\r\n", 2, "1000000003\r\n1000000004\r\n"},
	} {
		got := []byte(test.counters)
		advance(got, test.by)
		if string(got) != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// scripted accepts one connection and answers each request with the next
// reply; after the last one it closes its side. It returns its address.
func scripted(t *testing.T, request string, replies ...string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, reply := range replies {
			if _, err := io.ReadFull(conn, make([]byte, len(request))); err != nil {
				return
			}
			io.WriteString(conn, reply)
		}
		// Closing altogether could reset the connection before the replies
		// are read.
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
		io.Copy(io.Discard, conn)
	}()
	return l.Addr().String()
}

// altered returns the reply with another byte at a position.
func altered(reply string, at int) string {
	b := []byte(reply)
	b[at] ^= 0xff
	return string(b)
}

func TestCrewNoticesWhatGoesWrong(t *testing.T) {
	del := textDialect{}.remove("k")
	get := binaryDialect{}.get("k", "v").numbered(0)
	for _, test := range []struct {
		name     string
		exchange exchange
		replies  []string
		ops      uint64
		want     string
	}{
		{"other-word", del, []string{"DELETED\r\n", "NOT_FOUND\r\n"}, 1, "unexpected reply"},
		{"more-than-asked", del, []string{"DELETED\r\nDELETED\r\n"}, 0, "unexpected reply"},
		{"hang-up", del, []string{"DELETED\r\n", "DELETED\r\n"}, 2, "closed a connection"},
		{"hang-up-within-a-reply", del, []string{"DELETED\r\n", "DELE"}, 1, "closed a connection"},
		{"other-status", get, []string{get.reply, altered(get.reply, statusAt)}, 1, "unexpected reply"},
		{"other-opaque", get, []string{get.reply, altered(get.reply, opaqueAt)}, 1, "unexpected reply"},
		{"other-value", get, []string{get.reply, altered(get.reply, len(get.reply)-1)}, 1, "unexpected reply"},
		{"other-cas", get, []string{get.reply, altered(get.reply, casAt)}, 2, "closed a connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr := scripted(t, test.exchange.request, test.replies...)
			crew, err := newCrew(addr, 1, [][]batch{{newBatch(test.exchange)}})
			if err != nil {
				t.Fatal(err)
			}
			defer crew.close()
			ctx := crew.start(t.Context())
			<-ctx.Done()
			err = crew.stop()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
			if !errors.Is(err, context.Cause(ctx)) {
				t.Errorf("the cause is %v, stop returned %v", context.Cause(ctx), err)
			}
			if crew.ops() != test.ops {
				t.Errorf("%d requests answered, want %d", crew.ops(), test.ops)
			}
		})
	}
}

// Every expected reply must be the real one, and every cell must leave the server as it found it: the
// next one would fail.
func TestAllCommandsOnMemcached(t *testing.T) {
	testAllCommands(t, &contender{label: "memcached", path: testenv.Memcached(t)})
}

func TestAllCommandsOnRedis(t *testing.T) {
	testAllCommands(t, &contender{label: "redis", path: testenv.Program(t, "redis-server"), redis: true})
}

func testAllCommands(t *testing.T, c *contender) {
	if err := c.start(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	defer c.server.Stop()
	for round := range 2 {
		for _, cell := range allCells() {
			if c.redis && !cell.suitsRedis() {
				continue
			}
			cell.conns = min(cell.conns, 20)
			o := options{loadThreads: 1 + round}
			testenv.Eventually(t, cell.name()+" is answered", func() bool {
				o.duration += 20 * time.Millisecond // a slow machine takes longer to answer at all
				s, err := o.measureCell(t.Context(), c, cell, round)
				if err != nil && !errors.Is(err, errUnanswered) {
					t.Fatalf("%s: %v", cell.name(), err)
				}
				return s.opsPerSecond > 0 && s.cpuPerOp > 0
			})
		}
	}
}

// A job takes each of its keys once, and frees it.
func TestKeysUsedOnce(t *testing.T) {
	for _, inFlight := range []int{1, 4} {
		seen := make(map[string]int)
		batches := cell{"job", false, inFlight, 1}.workload(false, 0).cycles[0]
		for range 100 {
			for i := range batches {
				for line := range strings.Lines(string(batches[i].requests)) {
					if words := strings.Fields(line); len(words) > 1 {
						seen[words[0]+" "+words[1]]++
					}
				}
				batches[i].answered()
			}
		}
		if want := 200 * max(inFlight/2, 1); len(seen) != want {
			t.Errorf("%d in flight: %d different requests, want %d", inFlight, len(seen), want)
		}
		if seen["add j000:0000:00000099"] != 1 || seen["delete j000:0000:00000099"] != 1 {
			t.Errorf("%d in flight: the hundredth job is not there once", inFlight)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"--a", "true", "--b", "false", "--only", "false", "--cells", "^incr/16", "--seconds", "0.5"})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.contenders) != 1 || o.contenders[0].label != "false" || len(o.cells) != 2 || o.loadThreads != 1 || o.duration != time.Second/2 {
		t.Errorf("got %+v", o)
	}
	for _, bad := range []string{"--rounds 0", "--seconds 0", "--seconds NaN", "--cells nothing", "--only c", "--load-threads 0", "--memory --redis true", "--json --csv", "rest"} {
		if _, err := parseOptions(append(strings.Fields("--a true --b false"), strings.Fields(bad)...)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func TestLabels(t *testing.T) {
	o, err := parseOptions([]string{"--a", "true", "--b", "false,/bin/false", "--redis", "echo"})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, c := range o.contenders {
		labels = append(labels, c.label)
	}
	if want := []string{"true", "false-b", "false-c", "echo"}; !slices.Equal(labels, want) {
		t.Errorf("got %q, want %q", labels, want)
	}
}

func TestTargets(t *testing.T) {
	round := func(ops float64) sample { return sample{opsPerSecond: ops} }
	slow := result{cell{"get", false, 1, 50}, [][]sample{{round(90), round(80), round(95)}, {round(100), round(100), round(100)}}}
	fast := result{cell{"add-delete", false, 16, 50}, [][]sample{{round(300)}, {round(100)}}}
	binary := result{cell{"add-delete", true, 16, 50}, [][]sample{{round(99)}, {round(100)}}}
	got := speedTargets([]result{slow, fast, binary}, 1, "peer")
	if len(got) != 3 || got[0].Value != 0.9 || got[0].Holds || !got[1].Holds || got[2].Value != 0.99 || got[2].Holds {
		t.Errorf("got %+v", got)
	}
	if got := speedTargets([]result{binary}, 1, "peer"); len(got) != 1 || got[0].Value != 0.99 {
		t.Errorf("binary alone: got %+v", got)
	}
}

// What a server was not asked has no number, which is no error in any format.
func TestReportWithoutNumbers(t *testing.T) {
	round := []sample{{opsPerSecond: 100}}
	for format, want := range map[string]string{"": "incr/1/50         100            -", "json": "null", "csv": "NaN"} {
		o := options{format: format, picture: filepath.Join(t.TempDir(), "ratios.png"), contenders: []*contender{
			{label: "ours", server: new(rig.Server)}, {label: "redis", redis: true, server: new(rig.Server)},
		}}
		var out bytes.Buffer
		if err := reportSpeed(&out, o, []result{{cell{"incr", false, 1, 50}, [][]sample{round, nil}}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, out.String())
		}
		drawn, err := os.ReadFile(o.picture)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := png.DecodeConfig(bytes.NewReader(drawn)); err != nil || size.Width < 500 {
			t.Errorf("the picture: %v, %+v", err, size)
		}
	}
}
