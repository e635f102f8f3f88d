package journal

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Callers that come while the disk is busy share the next fsync.
func TestGroupCommit(t *testing.T) {
	const callers = 50
	d := new(disk)
	j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: Always, Create: d.Create})
	d.gate = make(chan struct{})
	before := d.syncs()
	var all sync.WaitGroup
	work := func(i int) {
		j.Append(put(fmt.Sprint("key", i), "me", uint64(i)))
		if err := j.Commit(); err != nil {
			t.Error(err)
		}
	}
	all.Go(func() { work(0) })
	for d.syncs() == before {
		runtime.Gosched()
	}
	for i := range callers {
		all.Go(func() { work(1 + i) })
	}
	for j.appended.Load() != 1+callers {
		runtime.Gosched()
	}
	close(d.gate)
	all.Wait()
	if n := d.syncs() - before; n != 2 {
		t.Errorf("%d fsyncs for %d callers behind one, want 2", n, callers)
	}
	if j.Pending() {
		t.Error("something is pending")
	}
}

// Confirm waits for what was known at the mark, and for nothing later.
func TestConfirm(t *testing.T) {
	d := new(disk)
	j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: Always, Create: d.Create})
	first := j.Append(put("a", "alice", 1))
	if mark := j.Mark(); mark != first || j.Kept(mark) {
		t.Fatalf("the mark is %d after entry %d; kept: %v", mark, first, j.Kept(mark))
	}
	if err := j.Confirm(first); err != nil || !j.Kept(first) {
		t.Fatal(err)
	}
	d.gate = make(chan struct{}) // nothing is forced to the disk any more
	second := j.Append(put("b", "bob", 2))
	if err := j.Confirm(first); err != nil || j.Kept(second) {
		t.Errorf("%v; the later one is kept: %v", err, j.Kept(second))
	}
	close(d.gate)
	if err := j.Confirm(second); err != nil || !j.Kept(j.Mark()) {
		t.Error(err)
	}
}

// In mode Always, Commit returns only after an fsync; in mode Interval there is one when
// the interval is over, if anything was written.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode        Mode
		atOnce      int
		afterSecond int
	}{{Always, 1, 1}, {Interval, 0, 1}, {Never, 0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			d := new(disk)
			j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: tt.mode, Interval: 900 * time.Millisecond, Clock: newMachine().clock, Create: d.Create})
			before := d.syncs()
			if j.Waits() != (tt.mode == Always) {
				t.Errorf("mode %d waits: %v", tt.mode, j.Waits())
			}
			commit(t, j, put("a", "alice", 1))
			if n := d.syncs() - before; n != tt.atOnce {
				t.Errorf("mode %d: %d fsyncs at once, want %d", tt.mode, n, tt.atOnce)
			}
			for range 3 {
				time.Sleep(time.Second)
				synctest.Wait()
				if n := d.syncs() - before; n != tt.afterSecond {
					t.Errorf("mode %d: %d fsyncs, want %d", tt.mode, n, tt.afterSecond)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Entries that nobody commits are committed all the same, a little later.
func TestNobodyCommits(t *testing.T) {
	for _, mode := range []Mode{Always, Interval, Never} {
		synctest.Test(t, func(t *testing.T) {
			j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: mode})
			j.Append(put("a", "alice", 1))
			time.Sleep(time.Second)
			synctest.Wait()
			if j.Pending() {
				t.Errorf("mode %d: still pending", mode)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Even without a Commit, entries are written once there are enough of them.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: Never})
		e := put("key", string(make([]byte, 1000)), 1)
		for range 2 * flushSize / 1000 {
			j.Append(e)
		}
		synctest.Wait()
		j.writing.Lock()
		size := j.segment.size
		j.writing.Unlock()
		if size < flushSize {
			t.Errorf("%d bytes were written, want %d or more", size, flushSize)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
