package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestFailed: every error of Txn is either a refusal or leaves the outcome open.
func TestFailed(t *testing.T) {
	t.Parallel()
	e := newEngine(nil, Config{}.Logger)
	for _, test := range []struct {
		err   error
		wants []error
	}{
		{rpctypes.ErrTooManyRequests, []error{engine.ErrRefused}},
		{rpctypes.ErrPermissionDenied, []error{engine.ErrRefused, rpctypes.ErrPermissionDenied}},
		{rpctypes.Error(rpctypes.ErrGRPCCompacted), []error{engine.ErrRefused, engine.ErrCompacted}},
		{rpctypes.ErrNoSpace, []error{engine.ErrUnknown, engine.ErrNoSpace}},
		{rpctypes.ErrTimeout, []error{engine.ErrUnknown, rpctypes.ErrTimeout}},
		{rpctypes.ErrLeaderChanged, []error{engine.ErrUnknown}},
		{rpctypes.ErrStopped, []error{engine.ErrUnknown}},
		{context.DeadlineExceeded, []error{engine.ErrUnknown, context.DeadlineExceeded}},
		{io.ErrUnexpectedEOF, []error{engine.ErrUnknown}},
	} {
		got := e.failed(test.err)
		for _, want := range test.wants {
			if !errors.Is(got, want) {
				t.Errorf("%v became %v, want %v", test.err, got, want)
			}
		}
		if errors.Is(got, engine.ErrRefused) == errors.Is(got, engine.ErrUnknown) {
			t.Errorf("%v became %v, which is both or neither", test.err, got)
		}
	}
}

// TestLeaderLost: when the leader dies, the others notice, elect another one, and go on
// with all that was answered.
func TestLeaderLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.start()
	must(t, c.engines[0], engine.Put("k", []byte("v")))
	old := c.leader()
	other := c.engines[(old+1)%3]
	id := c.engines[old].local.server().Lead()
	led := func() bool { lead := other.local.server().Lead(); return lead != 0 && lead != id }
	changed := other.LeaderChanged()
	c.kill(old)
	for ; !led(); changed = other.LeaderChanged() {
		select {
		case <-changed:
		case <-time.After(testenv.Patience):
			t.Fatal("nobody noticed")
		}
	}
	must(t, other, engine.Put("k", []byte("w")))
	if c.leader(); !other.HasLeader() {
		t.Error("there is no leader")
	}
	c.start(old)
	if got := value(t, c.engines[old], "k"); got != "w" {
		t.Errorf("the old leader comes back and reads %q", got)
	}
}

// TestMinority: a member that is left alone does nothing, and says nothing wrong; what it
// was asked to do may still happen when the others are back.
func TestMinority(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.start()
	must(t, c.engines[0], engine.Put("k", []byte("v")))
	alone := c.engines[0]
	c.kill(1)
	c.kill(2)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := alone.Txn(ctx, engine.Txn{Then: []engine.Op{engine.Put("k", []byte("alone"))}}); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("a put of a minority: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if p, _, err := alone.Get(ctx, "k"); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("a read of a minority: %v, %v", p, err)
	}
	testenv.Eventually(t, "the minority knows that it has no leader", func() bool { return !alone.HasLeader() })
	c.start(1)
	if got := value(t, alone, "k"); got != "v" && got != "alone" {
		t.Errorf("with a majority it reads %q", got)
	}
}

// TestRestart: what was answered is there after all were killed.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	c.start()
	var last engine.Outcome
	for i := range 20 {
		last = must(t, c.engines[i%3], engine.Put("k", []byte(fmt.Sprint(i))))
	}
	for i := range 3 {
		c.kill(i)
	}
	c.start()
	p, _, err := c.engines[1].Get(patient(t), "k")
	if err != nil || string(p.Value) != "19" || p.Modified != last.Revision {
		t.Errorf("after a restart of all: %v, %v, want revision %d", p, err, last.Revision)
	}
}

// TestClosed: what is asked of a closed engine is refused, its watches end, and it can be closed again.
func TestClosed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.start()
	e := c.engines[0]
	remote := dial(t, RemoteConfig{URLs: []string{c.url(0)}})
	revision := must(t, remote, engine.Put("k", nil)).Revision
	for name, closed := range map[string]*Engine{"remote": remote, "local": e} {
		idle, unread := closed.Watch(t.Context(), "none", 0), closed.Watch(t.Context(), "k", revision-1)
		for range 2 {
			if err := closed.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range idle {
			t.Errorf("%s: an idle watch received something", name)
		}
		for range unread { // which may have a change, and ends
		}
		for range closed.Watch(t.Context(), "k", 0) {
			t.Errorf("%s: a watch after Close received something", name)
		}
		if _, err := closed.Txn(t.Context(), engine.Txn{Then: []engine.Op{engine.Get("k")}}); !errors.Is(err, engine.ErrRefused) || !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
		if err := closed.Err(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: it has ended with %v", name, err)
		}
	}
}
