package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A Case is something that every engine has to do.
type Case struct {
	Name string
	run  func(c *cluster) error
}

// Run plays the case on the engines of one cluster, one of each machine. It keeps to keys
// that begin with the prefix, below which nobody else may write. If it meets an
// ErrUnknown, which an engine on a busy machine may return at any time, it begins again.
func (c Case) Run(t *testing.T, prefix string, engines ...engine.Engine) {
	t.Helper()
	for i := range tries {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := c.run(&cluster{t: t, ctx: ctx, prefix: fmt.Sprintf("%s%s/%d/", prefix, c.Name, i), engines: engines})
		cancel()
		switch {
		case err == nil:
			return
		case !errors.Is(err, engine.ErrUnknown):
			t.Fatal(err)
		}
		t.Logf("once more: %v", err)
	}
	t.Fatalf("after %d tries the outcome is still unknown", tries)
}

const (
	tries    = 10
	patience = time.Minute // for one try
)

// Cases are all cases.
var Cases = []Case{
	{"conditions", conditions},
	{"creation", creation},
	{"operations", operations},
	{"revisions", revisions},
	{"refused", refused},
	{"repeated", repeated},
	{"list", list},
	{"list-at-once", listAtOnce},
	{"compare-and-swap", compareAndSwap},
	{"read-what-was-written", readWhatWasWritten},
	{"watch", watching},
	{"watch-later", watchLater},
	{"watch-under-load", watchUnderLoad},
	{"watch-compacted", watchCompacted},
	{"context", contexts},
}

// cluster is what a case plays with.
type cluster struct {
	t       *testing.T
	ctx     context.Context
	prefix  string
	engines []engine.Engine
}

// on returns the engine of a machine; there may be fewer than a case asks for.
func (c *cluster) on(machine int) engine.Engine { return c.engines[machine%len(c.engines)] }

func (c *cluster) key(name string) string { return c.prefix + name }

func (c *cluster) put(name, value string) engine.Op { return engine.Put(c.key(name), []byte(value)) }

// do carries out a transaction whose conditions have to hold.
func (c *cluster) do(t engine.Txn) (engine.Outcome, error) {
	o, err := c.on(0).Txn(c.ctx, t)
	if err == nil && !o.Held {
		return o, fmt.Errorf("the conditions of %v do not hold", t)
	}
	return o, err
}

// wrong is the error of a case that has met what must not be.
func wrong(what string, got, want any) error { return fmt.Errorf("%s: %v, want %v", what, got, want) }

func conditions(c *cluster) error {
	k := c.key("k")
	made, err := c.do(engine.Txn{If: []engine.Cond{engine.Absent(k)}, Then: []engine.Op{c.put("k", "1")}})
	if err != nil {
		return err
	}
	changed, err := c.do(engine.Txn{
		If:   []engine.Cond{engine.CreatedAt(k, made.Revision), engine.ModifiedAt(k, made.Revision)},
		Then: []engine.Op{c.put("k", "2")},
	})
	if err != nil {
		return err
	}
	for name, cond := range map[string]engine.Cond{
		"absent":             engine.Absent(k),
		"created elsewhere":  engine.CreatedAt(k, changed.Revision),
		"modified elsewhere": engine.ModifiedAt(k, made.Revision),
		"created, other key": engine.CreatedAt(c.key("other"), made.Revision),
	} {
		still := engine.CreatedAt(k, made.Revision)
		o, err := c.on(1).Txn(c.ctx, engine.Txn{
			If:   []engine.Cond{still, cond},
			Then: []engine.Op{c.put("k", "3")},
			Else: []engine.Op{engine.Get(k), engine.Get(c.key("other"))},
		})
		switch {
		case err != nil:
			return err
		case o.Held:
			return fmt.Errorf("%s: the conditions hold", name)
		case len(o.Got) != 2 || len(o.Got[0]) != 1 || len(o.Got[1]) != 0:
			return wrong(name, o.Got, "one pair and none")
		}
		if p := o.Got[0][0]; string(p.Value) != "2" || p.Created != made.Revision || p.Modified != changed.Revision {
			return wrong(name, p, "what was put last")
		}
	}
	return nil
}

// creation: a key that was deleted and put again is another key.
func creation(c *cluster) error {
	k := c.key("k")
	first, err := c.do(engine.Txn{Then: []engine.Op{c.put("k", "1")}})
	if err != nil {
		return err
	}
	if _, err := c.do(engine.Txn{Then: []engine.Op{engine.Delete(k)}}); err != nil {
		return err
	}
	p, _, err := c.on(1).Get(c.ctx, k)
	if err != nil {
		return err
	} else if p.Exists() {
		return wrong("a deleted key", p, "none")
	}
	second, err := c.do(engine.Txn{If: []engine.Cond{engine.Absent(k)}, Then: []engine.Op{c.put("k", "1")}})
	if err != nil {
		return err
	}
	o, err := c.on(1).Txn(c.ctx, engine.Txn{If: []engine.Cond{engine.CreatedAt(k, first.Revision)}, Then: []engine.Op{c.put("k", "2")}})
	switch {
	case err != nil:
		return err
	case o.Held:
		return errors.New("the condition on the first creation holds for the second")
	case o.Revision != second.Revision:
		return wrong("revision of a Txn that did nothing", o.Revision, second.Revision)
	}
	return nil
}

// operations are carried out in their order.
func operations(c *cluster) error {
	if _, err := c.do(engine.Txn{Then: []engine.Op{c.put("a/1", ""), c.put("a/2", ""), c.put("a/3", ""), c.put("b", "")}}); err != nil {
		return err
	}
	o, err := c.do(engine.Txn{Then: []engine.Op{
		engine.GetPrefix(c.key("a/")),
		engine.DeleteRange(c.key("a/1"), c.key("a/3")),
		engine.GetPrefix(c.key("a/")),
		c.put("a/4", "new"),
		engine.GetPrefix(c.key("")),
		engine.DeletePrefix(c.key("b")),
		engine.Delete(c.key("nothing")),
		engine.Get(c.key("b")),
	}})
	if err != nil {
		return err
	}
	var got [][]string
	for _, pairs := range o.Got {
		names := []string{}
		for _, p := range pairs {
			names = append(names, p.Key[len(c.prefix):])
		}
		got = append(got, names)
	}
	want := [][]string{{"a/1", "a/2", "a/3"}, {"a/3"}, {"a/3", "a/4", "b"}, {}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		return wrong("what gets found", got, want)
	}
	if p := o.Got[2][1]; string(p.Value) != "new" || p.Created != o.Revision || p.Modified != o.Revision {
		return wrong("the pair that was put", p, fmt.Sprint("one of revision ", o.Revision))
	}
	return nil
}

// revisions rise with every Txn that changes something.
func revisions(c *cluster) error {
	o, err := c.do(engine.Txn{Then: []engine.Op{c.put("k", "v"), c.put("l", "v")}})
	if err != nil {
		return err
	}
	same, err := c.do(engine.Txn{Then: []engine.Op{c.put("k", "v")}})
	if err != nil {
		return err
	} else if same.Revision <= o.Revision {
		return wrong("revision after the same put", same.Revision, fmt.Sprint("more than ", o.Revision))
	}
	p, revision, err := c.on(1).Get(c.ctx, c.key("k"))
	switch {
	case err != nil:
		return err
	case p.Created != o.Revision || p.Modified != same.Revision || revision < same.Revision:
		return wrong("the pair", fmt.Sprint(p, " at ", revision), fmt.Sprint(o.Revision, " and ", same.Revision))
	}
	return nil
}

func refused(c *cluster) error {
	for name, t := range map[string]engine.Txn{
		"twice":     {Then: []engine.Op{c.put("k", "1"), c.put("k", "2")}},
		"nothing":   {If: []engine.Cond{engine.Absent(c.key("k"))}},
		"too large": {Then: []engine.Op{engine.Put(c.key("k"), make([]byte, engine.MaxBytes))}},
	} {
		if _, err := c.on(0).Txn(c.ctx, t); !errors.Is(err, engine.ErrRefused) || errors.Is(err, engine.ErrUnknown) {
			return wrong(name, err, engine.ErrRefused)
		}
	}
	largest := engine.MaxBytes - len(c.key("k"))
	if _, err := c.do(engine.Txn{Then: []engine.Op{engine.Put(c.key("k"), make([]byte, largest))}}); err != nil {
		return err
	}
	p, _, err := c.on(1).Get(c.ctx, c.key("k"))
	if err != nil {
		return err
	} else if len(p.Value) != largest {
		return wrong("bytes of the largest value", len(p.Value), largest)
	}
	var most engine.Txn
	for i := range engine.MaxOps {
		name := fmt.Sprint("many/", i)
		most.If = append(most.If, engine.Absent(c.key(name)))
		most.Then = append(most.Then, c.put(name, ""))
		most.Else = append(most.Else, engine.Get(c.key(name)))
	}
	_, err = c.do(most)
	return err
}

// repeated: the same guarded transaction, carried out twice, does no harm, and both see the
// guard.
func repeated(c *cluster) error {
	guard, err := c.do(engine.Txn{Then: []engine.Op{c.put("guard", "")}})
	if err != nil {
		return err
	}
	batch := engine.Txn{
		If:   []engine.Cond{engine.CreatedAt(c.key("guard"), guard.Revision)},
		Then: []engine.Op{c.put("batch", "bytes")},
		Else: []engine.Op{engine.Get(c.key("guard"))},
	}
	for range 2 {
		if _, err := c.do(batch); err != nil {
			return err
		}
	}
	if _, err := c.do(engine.Txn{Then: []engine.Op{engine.Delete(c.key("guard")), engine.Delete(c.key("batch"))}}); err != nil {
		return err
	}
	o, err := c.on(1).Txn(c.ctx, batch)
	if err != nil {
		return err
	} else if o.Held || len(o.Got) != 1 || len(o.Got[0]) != 0 {
		return wrong("without the guard", o, "an Else that finds nothing")
	}
	p, _, err := c.on(2).Get(c.ctx, c.key("batch"))
	if err != nil {
		return err
	} else if p.Exists() {
		return wrong("without the guard", p, "no batch")
	}
	return nil
}

// fill puts n keys below a name.
func (c *cluster) fill(name string, n int, value []byte) (last engine.Outcome, err error) {
	for first := 0; first < n; first += 100 {
		var t engine.Txn
		for i := first; i < min(first+100, n); i++ {
			t.Then = append(t.Then, engine.Put(c.key(fmt.Sprintf("%s%06d", name, i)), value))
		}
		if last, err = c.do(t); err != nil {
			return last, err
		}
	}
	return last, nil
}

// list: there are many more pairs than a page has.
func list(c *cluster) error {
	const n = 2500
	last, err := c.fill("k/", n, []byte("value"))
	if err != nil {
		return err
	}
	if _, err := c.do(engine.Txn{Then: []engine.Op{c.put("j", ""), c.put("k0", "")}}); err != nil {
		return err
	}
	i := 0
	revision, err := c.on(1).List(c.ctx, c.key("k/"), func(p engine.Pair) {
		if want := c.key(fmt.Sprintf("k/%06d", i)); p.Key != want || string(p.Value) != "value" || p.Created == 0 || p.Modified > last.Revision {
			c.t.Errorf("pair %d is %v, want %s", i, p, want)
		}
		i++
	})
	switch {
	case err != nil:
		return err
	case i != n:
		return wrong("pairs", i, n)
	case revision <= last.Revision:
		return wrong("revision", revision, fmt.Sprint("more than ", last.Revision))
	}
	revision, err = c.on(2).List(c.ctx, c.key("nothing"), func(p engine.Pair) { c.t.Errorf("a pair: %v", p) })
	if err == nil && revision <= last.Revision {
		return wrong("revision of an empty list", revision, fmt.Sprint("more than ", last.Revision))
	}
	return err
}

// listAtOnce: a list is of one revision, whatever is written meanwhile.
func listAtOnce(c *cluster) error {
	const n = 1500
	if _, err := c.fill("k/", n, []byte("old")); err != nil {
		return err
	}
	var values []string
	_, err := c.on(1).List(c.ctx, c.key("k/"), func(p engine.Pair) {
		if len(values) == 0 {
			_, err := c.do(engine.Txn{Then: []engine.Op{
				engine.DeleteRange(c.key("k/"), c.key("k/000100")),
				c.put(fmt.Sprintf("k/%06d", n-1), "new"),
				c.put(fmt.Sprintf("k/%06d", n), "new"),
			}})
			if err != nil {
				c.t.Logf("while a list is read: %v", err)
			}
		}
		values = append(values, string(p.Value))
	})
	if err != nil {
		return err
	}
	if len(values) != n || slices.Contains(values, "new") {
		return wrong("list", fmt.Sprintf("%d values, the last one %s", len(values), values[len(values)-1]), "what was there")
	}
	return nil
}

// compareAndSwap: of those who change a key at the same time one succeeds.
func compareAndSwap(c *cluster) error {
	const each = 20
	if _, err := c.do(engine.Txn{Then: []engine.Op{c.put("count", "")}}); err != nil {
		return err
	}
	var busy sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		busy.Go(func() { errs[i] = c.increment(c.on(i), each) })
	}
	busy.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p, _, err := c.on(1).Get(c.ctx, c.key("count"))
	if err != nil {
		return err
	} else if len(p.Value) != len(errs)*each {
		return wrong("count", len(p.Value), len(errs)*each)
	}
	return nil
}

func (c *cluster) increment(e engine.Engine, times int) error {
	k := c.key("count")
	for times > 0 {
		p, _, err := e.Get(c.ctx, k)
		if err != nil {
			return err
		}
		o, err := e.Txn(c.ctx, engine.Txn{
			If:   []engine.Cond{engine.ModifiedAt(k, p.Modified)},
			Then: []engine.Op{engine.Put(k, append(p.Value, '+'))},
		})
		if err != nil {
			return err
		}
		if o.Held {
			times--
		}
	}
	return nil
}

// readWhatWasWritten: on whatever machine.
func readWhatWasWritten(c *cluster) error {
	for i := range 20 {
		value := fmt.Sprint(i)
		o, err := c.on(i).Txn(c.ctx, engine.Txn{Then: []engine.Op{c.put("k", value)}})
		if err != nil {
			return err
		}
		p, revision, err := c.on(i+1).Get(c.ctx, c.key("k"))
		switch {
		case err != nil:
			return err
		case string(p.Value) != value || p.Modified != o.Revision || revision < o.Revision:
			return wrong("read", fmt.Sprint(p, " at ", revision), fmt.Sprint(value, " at ", o.Revision))
		}
	}
	return nil
}

// contexts: a call ends with its context.
func contexts(c *cluster) error {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	if _, err := c.on(0).Txn(ctx, engine.Txn{Then: []engine.Op{c.put("k", "")}}); !errors.Is(err, engine.ErrUnknown) || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Txn after the end of its context: %v", err)
	}
	if _, _, err := c.on(0).Get(ctx, c.key("k")); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Get after the end of its context: %v", err)
	}
	if _, err := c.on(0).List(ctx, c.key("k"), func(engine.Pair) {}); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("List after the end of its context: %v", err)
	}
	for change := range c.on(0).Watch(ctx, c.key("k"), 0) {
		return fmt.Errorf("Watch after the end of its context: %v", change)
	}
	return nil
}
