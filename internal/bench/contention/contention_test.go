//go:build linux

package main

import (
	"io"
	"math"
	"net"
	"slices"
	"testing"
	"time"
)

func TestSum(t *testing.T) {
	o := options{duration: 10 * time.Second}
	s := sum([]tally{
		{Waits: []time.Duration{time.Second, 3 * time.Second}, Tries: 5, Held: 2 * time.Second},
		{Waits: []time.Duration{2 * time.Second}, Tries: 1, Held: 3 * time.Second, Pending: 4 * time.Second},
		{Pending: 7 * time.Second},
	}, o)
	want := sample{perSecond: 0.3, tries: 2, wait: 2000, longest: 7, idle: 0.5, served: 2.0 / 3}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if s := sum(make([]tally, 3), o); s.perSecond != 0 || !math.IsNaN(s.tries) || s.idle != 1 {
		t.Errorf("nobody got it: %+v", s)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-processes", "0"}, {"-hold", "-1s"}, {"-rounds", "0"}, {"-seconds", "NaN"}, {"-clients", "0"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
	if o, err := parseOptions([]string{"-seconds", "1.5"}); err != nil || o.duration != 1500*time.Millisecond || o.processes != 100 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestRelay: what clients send is counted and passed on. While the relay plays a server
// that is away, connections are counted and closed.
func TestRelay(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	r, err := newRelay(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	began := time.Now()
	talk := func(conn net.Conn) error {
		if _, err := conn.Write([]byte("get k\r\n")); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, make([]byte, 7))
		return err
	}
	connect := func() net.Conn {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	conn := connect()
	for range 2 {
		if err := talk(conn); err != nil {
			t.Fatal(err)
		}
	}
	r.leave()
	if talk(conn) == nil || talk(connect()) == nil {
		t.Error("answered while away")
	}
	r.comeBack()
	if err := talk(connect()); err != nil {
		t.Error(err)
	}
	if counts := r.rates(began, time.Hour, 2); !slices.Equal(counts, []int{4, 0}) {
		t.Errorf("counted %d", counts)
	}
}
