//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
)

var soakScenario = &scenario{
	name:  "soak",
	share: 3,
	promise: "Thousands of clients lock and release at leisure; then as many as half of them join in who send half " +
		"commands, do not read, reset, flood the server with nonsense and send keys of 1 MB. The well-behaved see no " +
		"error, memory stays bounded, and afterwards descriptors and goroutines are what they were at the start.",
	round: soakRound,
}

const (
	soakConns   = 15_000
	spareFiles  = 300       // descriptors for all else, on either side
	mostSoakRSS = 768 << 20 // bytes
	calmWithin  = 2 * time.Minute
	fewFiles    = 8  // up to so many more than at the start are no leak
	fewRoutines = 16 // the same
	longestCalm = 2 * time.Minute

	soakItem     = "soak:item"
	soakItemSize = 100_000 // bytes
	soakLock     = "soak:lock"
)

func soakRound(ctx context.Context, t *trial) (o outcome, err error) {
	conns, err := affordable(pick(t, 150, 3000, soakConns))
	if err != nil {
		return o, err
	}
	s, err := startSoaked(ctx, t, conns)
	if err != nil {
		return o, err
	}
	defer s.Stop()
	before, err := s.usage()
	if err != nil {
		return o, err
	}
	if err := prepareSoak(s.addr); err != nil {
		return o, err
	}
	good := conns * 2 / 3
	p := &polite{stop: make(chan struct{})}
	if err = p.welcome(t, s.addr, good); err == nil {
		err = comparePhases(ctx, t, s, p, conns-good, &o)
	}
	p.leave()
	if err != nil {
		return o, err
	}
	o.most("well-behaved clients", float64(good))
	o.most("badly behaved clients", float64(conns-good))
	o.count("faults seen by well-behaved clients", p.failed)
	for _, fault := range p.faults {
		o.find("a well-behaved client: %s", fault)
	}
	return o, s.calmDown(ctx, before, &o)
}

// affordable is how many of the connections the limit on descriptors allows, here and in
// the server, which inherits it.
func affordable(conns int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return min(conns, int(limit.Max)-spareFiles), nil // Go has raised Cur to Max
}

func startSoaked(ctx context.Context, t *trial, conns int) (*soaked, error) {
	port, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	metrics := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s, err := t.program.start(ctx, "-c", strconv.Itoa(conns+spareFiles/2), "-b", "4096", "--metrics", metrics)
	return &soaked{s, metrics}, err
}

// prepareSoak makes the lock and the item that badly behaved clients ask for.
func prepareSoak(addr string) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	for _, request := range []string{
		fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", soakItem, soakItemSize, strings.Repeat("b", soakItemSize)),
		add(soakLock, 0, "nobody"),
	} {
		if _, err := conn.ask(request, answerWithin); err != nil {
			return err
		}
	}
	return nil
}

// comparePhases runs the well-behaved clients by themselves for a while, and then together
// with bad of the others.
func comparePhases(ctx context.Context, t *trial, s *soaked, p *polite, bad int, o *outcome) error {
	length := pick(t, 500*time.Millisecond, 4*time.Second, t.soak)
	calm, err := p.measure(ctx, s, min(length, longestCalm))
	if err != nil {
		return err
	}
	rabble, err := startRole(nil, rabbleRole, s.addr, strconv.Itoa(bad))
	if err != nil {
		return err
	}
	defer rabble.Stop()
	if err := rig.Sleep(ctx, pick(t, 500*time.Millisecond, 2*time.Second, 10*time.Second)); err != nil { // until all are there
		return err
	}
	harsh, err := p.measure(ctx, s, length)
	if err != nil {
		return err
	}
	o.most("minutes with badly behaved clients", length.Minutes())
	o.most("p99 of requests without badly behaved clients, ms", calm.p99)
	o.most("p99 of requests with them, ms", harsh.p99)
	o.most("largest RSS without badly behaved clients, MB", calm.rss)
	o.most("largest RSS with them, MB", harsh.rss)
	o.most("largest RSS allowed, MB", mostSoakRSS>>20)
	if harsh.rss > mostSoakRSS>>20 {
		o.find("the server took %.0f MB, allowed are %d", harsh.rss, mostSoakRSS>>20)
	}
	return nil
}

// A reading is the result of a phase.
type reading struct {
	p99 float64 // ms
	rss float64 // MB
}

func (p *polite) measure(ctx context.Context, s *soaked, length time.Duration) (r reading, err error) {
	p.takeLatencies() // those from before
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := rig.Sleep(ctx, min(time.Second, length/4)); err != nil {
			return r, err
		}
		rss, err := s.RSS()
		if err != nil {
			return r, fmt.Errorf("%w; the server printed: %s", err, s.Printed())
		}
		r.rss = max(r.rss, float64(rss)/(1<<20))
	}
	r.p99 = rig.Percentile(p.takeLatencies(), 99)
	return r, nil
}

// soaked is a server that reports what it uses.
type soaked struct {
	*server
	metrics string // host:port
}

// usage is what a server must not leak.
type usage struct{ files, routines int }

func (s *soaked) usage() (u usage, err error) {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Pid()))
	if err != nil {
		return u, err
	}
	u.files = len(files)
	response, err := http.Get("http://" + s.metrics + "/metrics")
	if err != nil {
		return u, err
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			u.routines, err = strconv.Atoi(rest)
			return u, err
		}
	}
	return u, fmt.Errorf("%s: no go_goroutines in /metrics", s.metrics)
}

// calmDown waits until the server has freed what it used for its clients.
func (s *soaked) calmDown(ctx context.Context, before usage, o *outcome) error {
	began := time.Now()
	for {
		now, err := s.usage()
		if err != nil {
			return err
		}
		if now.files <= before.files+fewFiles && now.routines <= before.routines+fewRoutines {
			o.most("longest time until all was let go of, s", time.Since(began).Seconds())
			o.most("descriptors at the start", float64(before.files))
			o.most("descriptors at the end", float64(now.files))
			o.most("goroutines at the start", float64(before.routines))
			o.most("goroutines at the end", float64(now.routines))
			return nil
		}
		if time.Since(began) > calmWithin {
			o.find("%v after the last client left there are %d descriptors and %d goroutines; at the start %d and %d",
				calmWithin, now.files, now.routines, before.files, before.routines)
			return nil
		}
		if err := rig.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
