package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/engine/enginetest"
)

var batch = engine.Txn{If: []engine.Cond{engine.Absent("fence")}, Then: []engine.Op{engine.Put("batch", nil)}}

// settle plays a story with one machine, and returns how long it took until the outcome of
// a batch was settled.
func settle(t *testing.T, ctx context.Context, story func(f *enginetest.Fake, n *enginetest.Node)) (o engine.Outcome, took time.Duration, err error) {
	t.Helper()
	f := enginetest.New()
	n := f.Node("a")
	story(f, n)
	start := time.Now()
	o, err = engine.Settle(ctx, n, batch)
	return o, time.Since(start), err
}

func TestSettle(t *testing.T) {
	t.Parallel()
	lost := 0
	for name, test := range map[string]struct {
		story func(f *enginetest.Fake, n *enginetest.Node)
		held  bool
		took  time.Duration
	}{
		"at-once": {func(*enginetest.Fake, *enginetest.Node) {}, true, 2 * time.Millisecond},
		"fenced": {func(f *enginetest.Fake, _ *enginetest.Node) {
			f.Do(engine.Txn{Then: []engine.Op{engine.Put("fence", nil)}})
		}, false, 2 * time.Millisecond},
		"two-answers-lost": {func(_ *enginetest.Fake, n *enginetest.Node) {
			n.SetFault(func(engine.Txn) enginetest.Fault { lost++; return enginetest.Fault{LoseAnswer: lost <= 2} })
		}, true, (700 + 20 + 1400 + 20 + 2) * time.Millisecond},
		"leader-lost": {func(f *enginetest.Fake, n *enginetest.Node) {
			time.AfterFunc(500*time.Microsecond, f.LoseLeader)
			time.AfterFunc(300*time.Millisecond, f.Elect)
		}, true, (300 + 20 + 2) * time.Millisecond},
		"full-for-a-while": {func(f *enginetest.Fake, n *enginetest.Node) {
			f.SetFull(true)
			time.AfterFunc(time.Second, func() { f.SetFull(false) })
		}, true, (46*(2+20) + 2) * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, took, err := settle(t, t.Context(), test.story)
				if err != nil || o.Held != test.held || took != test.took {
					t.Errorf("%v after %v, %v, want held=%v after %v", o, took, err, test.held, test.took)
				}
			})
		})
	}
}

func TestSettleEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, took, err := settle(t, ctx, func(_ *enginetest.Fake, n *enginetest.Node) { n.Cut() })
		if !errors.Is(err, engine.ErrUnknown) || took != 10*time.Second {
			t.Errorf("cut off: %v after %v", err, took)
		}
		_, took, err = settle(t, t.Context(), func(_ *enginetest.Fake, n *enginetest.Node) { _ = n.Close() })
		if !errors.Is(err, engine.ErrRefused) || took != 0 {
			t.Errorf("closed: %v after %v", err, took)
		}
	})
}
