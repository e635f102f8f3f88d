//go:build linux

package main

import (
	"io"
	"math"
	"net"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: "
	for _, test := range []struct {
		name    string
		dialect dialect
		reply   string
		want    verdict
		fails   bool
	}{
		{"stored", waitingAdd(10), "STORED\r\n", granted, false},
		{"half", waitingAdd(10), "STOR", unfinished, false},
		{"not-stored", polledAdd(10), "NOT_STORED\r\n", refused, false},
		{"deleted", polledAdd(10), "DELETED\r\n", released, false},
		{"not-found", polledAdd(10), "NOT_FOUND\r\n", 0, true},
		{"locked", poolCounter(10), "LOCKED\n", granted, false},
		{"full", poolCounter(10), "QUEUE_FULL\n", 0, true},
		{"etcd-lock", etcdLock(10), ok + "11\r\n\r\n{\"key\":\"k\"}", granted, false},
		{"etcd-half", etcdLock(10), ok + "11\r\n\r\n{\"key\"", unfinished, false},
		{"etcd-unlock", etcdLock(10), ok + "2\r\n\r\n{}", released, false},
		{"etcd-error", etcdLock(10), "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 0, true},
	} {
		got, err := test.dialect.answer(&client{}, []byte(test.reply))
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: got %v, %v", test.name, got, err)
		}
	}
}

func TestPausesDouble(t *testing.T) {
	b := backoff{first: 100 * time.Millisecond}
	if got := b.pause(3); got != 800*time.Millisecond {
		t.Errorf("fourth pause: %v", got)
	}
	b.most, b.jitter = 200*time.Millisecond, true
	if got := b.pause(1000); got < 0 || got >= b.most {
		t.Errorf("a pause with jitter: %v", got)
	}
}

// A lock that stays free beyond the ends of the round counts only within the round, and a
// client that gets back what it released was handed nothing.
func TestLog(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	a, b := &client{number: 1, since: at(-50)}, &client{number: 2, since: at(0)}
	l := log{start: start}
	l.grant(a, b, at(-20), at(10))
	l.grant(b, b, at(30), at(35))
	l.free(at(60), at(100))
	if l.idle != 55*time.Millisecond || len(l.gaps) != 1 || l.gaps[0] != 30_000 || l.returned != 1 {
		t.Errorf("got %+v", l)
	}
}

// serveTwice grants two clients the same lock.
func serveTwice(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "VERSION 1\r\n")
			time.AfterFunc(50*time.Millisecond, func() { io.WriteString(conn, "STORED\r\n") })
		}
	}()
	return l.Addr().String()
}

func TestGrantToTwoIsAnError(t *testing.T) {
	s := &system{newDialect: waitingAdd, server: &running{addr: serveTwice(t)}}
	cs, err := newClients(s, load{clients: 2, hold: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer cs.close()
	for _, c := range cs.all {
		if err := cs.want(c, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := cs.drive(t.Context(), time.Now().Add(5*time.Second)); err == nil {
		t.Error("no error")
	}
}

func TestAbsentSystemsMeetNoTarget(t *testing.T) {
	systems := []*system{{name: "lockcached"}, {name: "poolcounter"}}
	results := []result{{load: free, samples: [][]sample{{{perSecond: 9, p50: 1}}, nil}}}
	for _, target := range speedTargets(systems, results) {
		if target.Holds || !math.IsNaN(float64(target.Value)) {
			t.Errorf("%s: %v, holds: %v", target.What, target.Value, target.Holds)
		}
	}
}
