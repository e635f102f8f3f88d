//go:build linux

package main

import (
	"bufio"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A slowLock is a lock whose every step takes a second. It lets in as many as room says.
type slowLock struct{ room chan struct{} }

func (l slowLock) lock(context.Context, string) error {
	l.room <- struct{}{}
	time.Sleep(time.Second)
	return nil
}

func (l slowLock) unlock(context.Context, string) error {
	time.Sleep(time.Second)
	<-l.room
	return nil
}

func (slowLock) close() {}

// play has two clients take turns at a lock for ten seconds.
func play(t *testing.T, room int) (r *round, errs []error) {
	synctest.Test(t, func(t *testing.T) {
		r = &round{load: load{clients: 2, keys: 1}, keys: make([]lockedKey, 1)}
		r.counting.Store(true)
		l := slowLock{make(chan struct{}, room)}
		time.AfterFunc(10500*time.Millisecond, func() { r.ending.Store(true) })
		var all sync.WaitGroup
		errs = make([]error, r.load.clients)
		for i := range errs {
			all.Go(func() { errs[i] = r.cycle(t.Context(), l, &r.keys[0]) })
		}
		all.Wait()
	})
	return r, errs
}

func TestHandOffs(t *testing.T) {
	r, errs := play(t, 1)
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	times := r.keys[0].times
	if len(times) < 4 {
		t.Errorf("%d hand-offs in ten seconds, want one in two", len(times))
	}
	for _, ms := range times {
		if ms != 2000 {
			t.Errorf("a hand-off took %v ms, want 2000", ms)
		}
	}
}

func TestReadReply(t *testing.T) {
	for text, want := range map[string]string{
		"STORED\r\n":                                "STORED",
		"NOT_STORED\r\n":                            "NOT_STORED",
		"SERVER_ERROR no quorum\r\n":                "SERVER_ERROR no quorum",
		"VALUE k 0 6\r\nholder\r\nEND\r\n":          "holder",
		"VALUE o 0 20\r\nn0 127.0.0.1:1\r\nEND\r\n": "n0 127.0.0.1:1",
		"END\r\n": "",
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(text))); err != nil || got != want {
			t.Errorf("%q was read as %q, %v", text, got, err)
		}
	}
}

func TestMedianOfRatios(t *testing.T) {
	r := result{samples: map[string][]sample{
		"cluster": {{perSecond: 10}, {perSecond: 30}, {perSecond: 100}},
		"etcd":    {{perSecond: 10}, {perSecond: 10}, {perSecond: 50}},
	}}
	if got := r.ratio("cluster", "etcd"); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
}
