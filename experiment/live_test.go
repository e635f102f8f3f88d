package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A pipeListener accepts connections in memory, so that live runs can be
// tested in the virtual time of a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// live runs in a bubble, with a server of our own.
func live(t *testing.T, ctx context.Context, c Config) (r *results, notes string) {
	t.Helper()
	l := newPipeListener()
	stop := startServer(t.Context(), l)
	defer stop()
	c.Server, c.dial, c.Seed = l.Addr().String(), l.dial, 1
	c.setDefaults()
	r = &results{config: c}
	var said bytes.Buffer
	if err := runLive(ctx, &c, r, &Output{Report: io.Discard, Notes: &said}); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return r, said.String()
}

func TestLiveBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, notes := live(t, t.Context(), Config{Rounds: 3, Duration: time.Hour})
		if !strings.Contains(notes, "rank, oracle") && !strings.Contains(notes, "oracle: only simulated") {
			t.Errorf("notes %q", notes)
		}
		if len(r.lines) < 9 {
			t.Errorf("%d policies", len(r.lines))
		}
		for _, s := range r.lines {
			if s.Acquisitions != 30 || s.Waiting != 0 || s.Tries < 1 {
				t.Errorf("%s: %d acquisitions, %d not served, %v tries", s.Policy, s.Acquisitions, s.Waiting, s.Tries)
			}
		}
		if s := r.lines[len(r.lines)-1]; s.Policy != "queue" || s.Tries != 1 || s.IdleMS > 0.001 {
			t.Errorf("%s: %v tries, %v ms idle", s.Policy, s.Tries, s.IdleMS)
		}
	})
}

// In virtual time and without a network, live and simulated runs must agree. The
// article's rule is left out: it has no jitter, so the outcome depends on whether all
// clients are refused before the first of them asks about the lock.
func TestLiveAgreesWithSimulation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{
			Rounds: 150, Duration: 100 * time.Hour, Laws: []Law{mustLaw(t, "normal")},
			Policies: policies(t, "exp100cap1s", "fulljit", "linear100", "solo", "slots", "slots+park50", "queue"),
		}
		lively, _ := live(t, t.Context(), c)
		c.Seed, c.Loads = 1, loads(t, "b10")
		simulated := run(t, c)
		for _, s := range lively.lines {
			want := simulated.find(s.Law, s.Load, s.Policy, tries)
			if d := float64(s.Tries/want) - 1; d > 0.1 || d < -0.1 {
				t.Errorf("%s: %v tries live, %v simulated", s.Policy, s.Tries, want)
			}
			want = simulated.find(s.Law, s.Load, s.Policy, idle)
			if d := float64(s.IdleMS - want); d > 0.25*float64(want)+1 || d < -0.25*float64(want)-1 {
				t.Errorf("%s: %v ms idle live, %v simulated", s.Policy, s.IdleMS, want)
			}
		}
	})
}

func TestLiveEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r, _ := live(t, t.Context(), Config{
			Duration: 20 * time.Second, Loads: loads(t, "b10", "c10"), Policies: policies(t, "exp100", "queue"),
		})
		if took := time.Since(began); took < 50*time.Second || took > 55*time.Second {
			t.Errorf("took %v, want 20 s and as long again, and 10 s for the burst under way", took)
		}
		if len(r.lines) != 4 || r.lines[0].Waiting != 2 {
			t.Errorf("%+v", r.lines) // the tenth client of exp100 would come after 102 s
		}
	})
}

func TestLiveInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		began := time.Now()
		r, _ := live(t, ctx, Config{Policies: policies(t, "exp100", "queue"), Loads: loads(t, "b10", "b100")})
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("took %v after an interruption at 10 s", took)
		}
		if len(r.lines) != 2 || r.lines[0].Acquisitions < 6 {
			t.Errorf("%+v", r.lines)
		}
	})
}

// plainServer answers the requests of the probe as a plain memcached does.
func plainServer(conn net.Conn) {
	items := make(map[string]bool)
	in := bufio.NewScanner(conn)
	for in.Scan() {
		words := strings.Fields(in.Text())
		reply := "END"
		switch {
		case words[0] == "gets" && items[words[1]]:
			reply = fmt.Sprintf("VALUE %s 0 5 1\r\nprobe\r\nEND", words[1])
		case words[0] == "add":
			in.Scan()
			items[words[1]] = true
			reply = "STORED"
		case words[0] == "delete" && items[words[1]]:
			delete(items, words[1])
			reply = "DELETED"
		case words[0] == "delete":
			reply = "NOT_FOUND"
		}
		fmt.Fprintf(conn, "%s\r\n", reply)
	}
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go plainServer(conn)
			}
		}()
		var notes bytes.Buffer
		c := Config{Server: l.Addr().String(), dial: l.dial}
		c.setDefaults()
		offer, err := c.probe(t.Context(), c.Server)
		if err != nil || offer != 0 {
			t.Errorf("a plain memcached offers %v, %v", offer, err)
		}
		c.leaveOut(offer, "it", &Output{Notes: &notes})
		if len(c.Policies) != 6 {
			t.Errorf("%d policies are left", len(c.Policies))
		}
		const want = "left out: article, solo: it does not tell about locks (get lockcached:lock:KEY)\n" +
			"left out: slots, rank, slots+park50: it does not advise (get lockcached:retry:KEY)\n" +
			"left out: queue: it knows no waiting in line (add lockcached:wait=...:KEY)\n" +
			"left out: oracle: only simulated; add --simulate\n"
		if notes.String() != want {
			t.Errorf("notes %s", &notes)
		}
		l.Close()
	})
}

func TestParseScene(t *testing.T) {
	s := parseScene("held=1 owner=x age_ms=12.5 waiters=3 hold_mean_ms=200 hold_stddev_ms=70")
	if s.age != 12500*time.Microsecond || s.waiters != 3 || s.mean != DefaultMean || s.stddev != DefaultStddev {
		t.Errorf("%+v", s)
	}
	if s := parseScene("held=0"); s != (scene{waiters: 1}) {
		t.Errorf("%+v", s)
	}
}
