package journal

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// model is a journal with the locks that are held beside it.
type model struct {
	*Journal
	held map[string]*Entry
}

// change grants or ends a lock, and commits.
func (m *model) change(entries ...*Entry) error {
	for _, e := range entries {
		if m.held[string(e.Key)] = e; e.Kind == End {
			delete(m.held, string(e.Key))
		}
		m.Append(e)
	}
	return m.Commit()
}

func (m *model) walk(emit func(*Entry)) error {
	for _, e := range m.held {
		emit(e)
	}
	return nil
}

func (m *model) state() state {
	s := make(state)
	for _, e := range m.held {
		s.apply(e)
	}
	return s
}

// checkRecovered expects the state to come back after a crash.
func (m *model) checkRecovered(t *testing.T, want state) {
	t.Helper()
	crash(m.Journal)
	got, _, err := look(m.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, got, want)
}

// checkFailed expects the journal to refuse everything for that reason.
func checkFailed(t *testing.T, j *Journal, why error) {
	t.Helper()
	if err := j.Err(); !errors.Is(err, why) {
		t.Errorf("the journal's error is %v, want %v", err, why)
	}
	j.Append(end("nobody", 1))
	if err := j.Commit(); !errors.Is(err, why) || !j.Pending() {
		t.Errorf("commit: %v, want %v; pending %v, want true", err, why, j.Pending())
	}
}

func newModel(t *testing.T, mode Mode, d *disk) *model {
	j, _, _ := open(t, Config{Dir: t.TempDir(), Fsync: mode, Create: d.Create})
	return &model{Journal: j, held: make(map[string]*Entry)}
}

// On a full disk this commit fails, and all later ones, until a checkpoint succeeds,
// which includes what was dropped meanwhile.
func TestDiskFull(t *testing.T) {
	for _, mode := range []Mode{Always, Interval, Never} {
		synctest.Test(t, func(t *testing.T) {
			d := new(disk)
			m := newModel(t, mode, d)
			if err := m.change(put("a", "alice", 1), put("b", "bob", 2)); err != nil {
				t.Fatal(err)
			}
			d.set(nil, syscall.ENOSPC, nil)
			if err := m.change(put("c", "cleo", 3)); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("commit: %v", err)
			}
			checkFailed(t, m.Journal, syscall.ENOSPC)
			if err := m.change(end("a", 1)); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("commit: %v", err)
			}
			if len(m.pending) > 0 {
				t.Error("what is to be dropped is pending")
			}
			for range 3 { // it asks again and again
				<-m.WantsCheckpoint()
				if err := m.Checkpoint(m.walk); !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("checkpoint: %v", err)
				}
				checkFailed(t, m.Journal, syscall.ENOSPC)
			}
			d.set(nil, nil, nil)
			<-m.WantsCheckpoint()
			if err := m.Checkpoint(m.walk); err != nil {
				t.Fatal(err)
			}
			if err := m.Err(); err != nil || m.Pending() {
				t.Errorf("healed: %v, pending %v", err, m.Pending())
			}
			if err := m.change(put("d", "dan", 4)); err != nil {
				t.Fatal(err)
			}
			if names := files(t, m.config.Dir); len(names) != 1 {
				t.Errorf("there are %q, want one segment", names)
			}
			m.checkRecovered(t, m.state())
		})
	}
}

// What is not on the disk after an fsync failed will never be. Another fsync of
// that file would succeed and say nothing.
func TestFsyncFails(t *testing.T) {
	for _, mode := range []Mode{Always, Interval} {
		synctest.Test(t, func(t *testing.T) {
			d := new(disk)
			m := newModel(t, mode, d)
			if err := m.change(put("a", "alice", 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			d.set(nil, nil, syscall.EIO)
			err := m.change(put("b", "bob", 2))
			if mode == Always && !errors.Is(err, syscall.EIO) || mode == Interval && err != nil {
				t.Errorf("mode %d: commit: %v", mode, err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			checkFailed(t, m.Journal, syscall.EIO)
			d.set(nil, nil, nil)
			syncs := d.syncs()
			time.Sleep(2 * time.Second)
			checkFailed(t, m.Journal, syscall.EIO)
			if err := m.segment.sync(); d.syncs() != syncs || !errors.Is(err, syscall.EIO) {
				t.Errorf("a file that failed was forced to the disk again: %v", err)
			}
			if err := m.Checkpoint(m.walk); err != nil {
				t.Fatal(err)
			}
			if err := m.Err(); err != nil {
				t.Errorf("healed: %v", err)
			}
			m.checkRecovered(t, m.state())
		})
	}
}

// What was refused does not come back after a crash, even if the fsync failed after it
// had been written; what was committed before does.
func TestRefusedIsCutOff(t *testing.T) {
	for name, write := range map[string]func(m *model) error{
		"with the fsync": func(m *model) error { return m.change(end("a", 1), put("c", "cleo", 3)) },
		"before it": func(m *model) error {
			for _, e := range []*Entry{end("a", 1), put("c", "cleo", 3)} {
				m.Append(e)
				if err := m.flush(); err != nil {
					return err
				}
			}
			return m.Commit()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(disk)
			m := newModel(t, Always, d)
			if err := m.change(put("a", "alice", 1), put("b", "bob", 2)); err != nil {
				t.Fatal(err)
			}
			kept := m.Append(end("b", 2))
			m.held["b"] = put("b", "bert", 3)
			if m.Append(m.held["b"]); m.Commit() != nil {
				t.Fatal(m.Err())
			}
			before := m.state()
			d.set(nil, nil, syscall.EIO)
			if err := write(m); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			if !m.Kept(kept) || m.Kept(kept+2) {
				t.Errorf("kept is %v before and %v after the failure", m.Kept(kept), m.Kept(kept+2))
			}
			for key, want := range map[string]bool{"a": true, "b": false, "c": true} {
				if got := m.Doubtful([]byte(key)); got != want {
					t.Errorf("%s is doubtful: %v", key, got)
				}
			}
			m.checkRecovered(t, before)
		})
	}
}

// What happens to a lock is doubtful until the checkpoint that repairs the journal is
// complete.
func TestDoubtful(t *testing.T) {
	d := new(disk)
	m := newModel(t, Interval, d)
	if err := m.change(put("a", "alice", 1), put("b", "bob", 2), put("c", "cleo", 3)); err != nil {
		t.Fatal(err)
	}
	check := func(when string, want string) {
		t.Helper()
		got := ""
		for _, key := range []string{"a", "b", "c", "none"} {
			if m.Doubtful([]byte(key)) {
				got += key
			}
		}
		if got != want {
			t.Errorf("%s: doubtful are %q, want %q", when, got, want)
		}
	}
	d.set(nil, syscall.ENOSPC, nil)
	if m.change(end("a", 1)) == nil {
		t.Fatal("the disk is not full")
	}
	moot := end("c", 3)
	moot.Moot = true
	m.Append(moot)
	m.Append(end("b", 2))
	check("full", "ab")
	d.set(nil, nil, nil)
	err := m.Checkpoint(func(emit func(*Entry)) error {
		m.Append(end("c", 3))
		if m.Commit() == nil {
			t.Error("committed before the checkpoint is complete")
		}
		check("healing", "abc")
		return m.flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	check("healed", "")
	m.checkRecovered(t, state{})
}

// A crash while nothing can be written leaves what was written before, however far a
// checkpoint has come.
func TestCrashWhileFailing(t *testing.T) {
	for _, tt := range []struct {
		name string
		heal func(m *model, d *disk) error
	}{
		{"no checkpoint", func(*model, *disk) error { return syscall.ENOSPC }},
		{"checkpoint given up", func(m *model, d *disk) error {
			d.set(nil, nil, nil)
			return m.Checkpoint(func(emit func(*Entry)) error {
				emit(m.held["c"])
				_ = m.flush()
				return syscall.ENOSPC
			})
		}},
		{"checkpoint fails", func(m *model, d *disk) error {
			d.set(nil, nil, nil)
			return m.Checkpoint(func(emit func(*Entry)) error {
				emit(m.held["c"])
				_ = m.flush()
				d.set(nil, syscall.ENOSPC, nil)
				return nil
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := new(disk)
			m := newModel(t, Always, d)
			if err := m.change(put("a", "alice", 1), put("b", "bob", 2)); err != nil {
				t.Fatal(err)
			}
			before := m.state()
			d.set(nil, syscall.ENOSPC, nil)
			if err := m.change(end("a", 1), put("c", "cleo", 3)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if err := tt.heal(m, d); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			checkFailed(t, m.Journal, syscall.ENOSPC)
			m.checkRecovered(t, before)
		})
	}
}

// When a checkpoint cannot even begin, the journal goes on in the old segment.
func TestCheckpointCannotBegin(t *testing.T) {
	d := new(disk)
	m := newModel(t, Always, d)
	if err := m.change(put("a", "alice", 1)); err != nil {
		t.Fatal(err)
	}
	d.set(syscall.EMFILE, nil, nil)
	if err := m.Checkpoint(m.walk); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("checkpoint: %v", err)
	}
	if err := m.change(put("b", "bob", 2)); err != nil {
		t.Fatal(err)
	}
	m.checkRecovered(t, m.state())
}

// A checkpoint that fails in the middle leaves what was committed before and
// during it, and the next one repairs the journal.
func TestCheckpointFails(t *testing.T) {
	d := new(disk)
	m := newModel(t, Always, d)
	if err := m.change(put("a", "alice", 1)); err != nil {
		t.Fatal(err)
	}
	err := m.Checkpoint(func(emit func(*Entry)) error {
		if err := m.change(put("b", "bob", 2)); err != nil {
			t.Fatal(err)
		}
		d.set(nil, syscall.EIO, nil)
		return m.walk(emit)
	})
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("checkpoint: %v", err)
	}
	checkFailed(t, m.Journal, syscall.EIO)
	got, _, err := look(m.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	checkState(t, got, m.state())
	d.set(nil, nil, nil)
	m.held["c"] = put("c", "cleo", 3)
	m.Append(m.held["c"])
	if err := m.Checkpoint(m.walk); err != nil {
		t.Fatal(err)
	}
	m.checkRecovered(t, m.state())
}
