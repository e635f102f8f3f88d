package journal

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCounts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := w.live("1")
		for i := range uint64(10) {
			w.Append(put("k", i+1))
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := w.Confirm(w.Mark()); err != nil {
			t.Fatal(err)
		}
		c := w.Counts()
		if c.Commits.Count() == 0 || c.Confirms.Count() != 1 || c.Batches.Sum() != 10 || c.Retries != 0 {
			t.Errorf("%+v", c)
		}
		time.Sleep(10 * signOfLife)
		if later := w.Counts(); later.Commits.Count() < c.Commits.Count()+9 || later.Batches != c.Batches {
			t.Errorf("after a while without changes %+v, before %+v", later, c)
		}
		m.revision.Store(0) // as if somebody else had changed the map
		w.Append(put("k", 11))
		synctest.Wait()
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if c := w.Counts(); c.Retries != 1 {
			t.Errorf("%d retries", c.Retries)
		}
	})
}
