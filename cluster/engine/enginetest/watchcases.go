package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/lockcached/lockcached/cluster/engine"
)

// errMoreToCome is how a watch ends that should have gone on.
var errMoreToCome = errors.New("the watch has ended")

// receive returns the next n changes of a watch, each as one line.
func (c *cluster) receive(changes <-chan engine.Change, n int) (lines []string, err error) {
	for len(lines) < n {
		select {
		case change, ok := <-changes:
			if !ok {
				return lines, engine.Unknown(errMoreToCome) // an engine may do that; begin again
			}
			lines = append(lines, c.line(change))
		case <-c.ctx.Done():
			return lines, fmt.Errorf("of %d changes there came only %q", n, lines)
		}
	}
	return lines, nil
}

// line is a change in words: "a=1 b gone".
func (c *cluster) line(change engine.Change) string {
	var words []string
	for _, e := range change.Events {
		name := e.Key[len(c.prefix):]
		switch {
		case e.Modified != change.Revision:
			words = append(words, fmt.Sprintf("%s is of revision %d, not %d", name, e.Modified, change.Revision))
		case e.Deleted:
			words = append(words, name+" gone")
		default:
			words = append(words, name+"="+string(e.Value))
		}
	}
	return strings.Join(words, " ")
}

// watching: all changes below the prefix, in order, those of one Txn together.
func watching(c *cluster) error {
	before, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/0", "before")}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	changes := c.on(1).Watch(ctx, c.key("w/"), before.Revision)
	for _, ops := range [][]engine.Op{
		{c.put("w/a", "1"), c.put("x", "not watched"), c.put("w/b", "2")},
		{c.put("v", "not watched")},
		{c.put("w/a", "3"), engine.Delete(c.key("w/b")), engine.Delete(c.key("w/nothing"))},
		{engine.DeletePrefix(c.key("w/"))},
	} {
		if _, err := c.do(engine.Txn{Then: ops}); err != nil {
			return err
		}
	}
	lines, err := c.receive(changes, 3)
	if err != nil {
		return err
	}
	got, want := strings.Join(lines, "; "), "w/a=1 w/b=2; w/a=3 w/b gone; w/0 gone w/a gone"
	if got != want {
		return wrong("changes", got, want)
	}
	cancel()
	for range changes { // which ends
	}
	return nil
}

// watchLater: changes that were made before the watch began are not lost.
func watchLater(c *cluster) error {
	before, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/0", "")}})
	if err != nil {
		return err
	}
	for i := range 5 {
		if _, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/k", fmt.Sprint(i))}}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	lines, err := c.receive(c.on(1).Watch(ctx, c.key("w/"), before.Revision+2), 3)
	if err != nil {
		return err
	}
	if got, want := strings.Join(lines, "; "), "w/k=2; w/k=3; w/k=4"; got != want {
		return wrong("changes", got, want)
	}
	return nil
}

// watchUnderLoad: reading and then watching from there shows everything once.
func watchUnderLoad(c *cluster) error {
	const n = 100
	var busy sync.WaitGroup
	defer busy.Wait()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	failed := make(chan error, 1)
	busy.Go(func() {
		for i := range n {
			if _, err := c.on(0).Txn(ctx, engine.Txn{Then: []engine.Op{c.put("w/"+fmt.Sprint(i), "")}}); err != nil {
				failed <- err
				return
			}
		}
	})
	seen := make(map[string]int)
	revision, err := c.on(1).List(ctx, c.key("w/"), func(p engine.Pair) { seen[p.Key]++ })
	if err != nil {
		return err
	}
	changes := c.on(1).Watch(ctx, c.key("w/"), revision)
	for len(seen) < n {
		select {
		case change, ok := <-changes:
			if !ok {
				return engine.Unknown(errMoreToCome)
			}
			for _, e := range change.Events {
				seen[e.Key]++
			}
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("of %d keys %d were seen", n, len(seen))
		}
	}
	for k, times := range seen {
		if times != 1 {
			return wrong("times that "+k+" was seen", times, 1)
		}
	}
	return nil
}

// A compacter forgets the history. Engines of servers have that done by others.
type compacter interface {
	Compact(ctx context.Context, revision int64) error
}

// watchCompacted: a watch whose changes are gone ends, so that its reader reads again.
func watchCompacted(c *cluster) error {
	first, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/a", "1")}})
	if err != nil {
		return err
	}
	last, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/a", "2")}})
	if err != nil {
		return err
	}
	if err := c.on(0).(compacter).Compact(c.ctx, last.Revision); err != nil {
		return err
	}
	if _, _, err := c.on(1).Get(c.ctx, c.key("w/a")); err != nil { // afterwards that machine knows, too
		return err
	}
	for change := range c.on(1).Watch(c.ctx, c.key("w/"), first.Revision-1) {
		return fmt.Errorf("a watch from before the compaction shows %q", c.line(change))
	}
	if c.ctx.Err() != nil {
		return errors.New("a watch from before the compaction does not end")
	}
	var pairs []engine.Pair
	revision, err := c.on(1).List(c.ctx, c.key("w/"), func(p engine.Pair) { pairs = append(pairs, p) })
	switch {
	case err != nil:
		return err
	case len(pairs) != 1 || string(pairs[0].Value) != "2":
		return wrong("after the compaction", pairs, "one pair")
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	changes := c.on(1).Watch(ctx, c.key("w/"), revision)
	if _, err := c.do(engine.Txn{Then: []engine.Op{c.put("w/a", "3")}}); err != nil {
		return err
	}
	lines, err := c.receive(changes, 1)
	if err == nil && lines[0] != "w/a=3" {
		return wrong("the next change", lines[0], "w/a=3")
	}
	return err
}
