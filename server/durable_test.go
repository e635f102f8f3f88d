package server

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
)

// disk makes the files of a journal. They can be slow or full.
type disk struct {
	mu    sync.Mutex
	full  bool
	syncs int
	slow  chan struct{} // each fsync takes an element; if nil, fsyncs do not wait
}

type diskFile struct {
	*os.File
	disk *disk
}

func (d *disk) create(path string) (journal.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return &diskFile{f, d}, err
}

func (d *disk) fill(full bool) {
	d.mu.Lock()
	d.full = full
	d.mu.Unlock()
}

func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.full {
		return 0, &os.PathError{Op: "write", Path: "journal", Err: syscall.ENOSPC}
	}
	return f.File.Write(b)
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	f.disk.syncs++
	slow := f.disk.slow
	f.disk.mu.Unlock()
	if slow != nil {
		<-slow
	}
	return nil
}

// durable starts a server with a journal on the disk.
func durable(t *testing.T, network string, mode journal.Mode, d *disk) (s *Server, dial func() *socketClient) {
	t.Helper()
	j, err := journal.Open(journal.Config{Dir: t.TempDir(), Fsync: mode, Create: d.create})
	must(t, err)
	m := locks.NewManager(locks.Config{Journal: j})
	_, err = m.Recover()
	must(t, err)
	t.Cleanup(func() { _ = m.CloseJournal() }) // after the server has shut down
	return listening(t, network, Config{Locks: m})
}

// While an fsync runs, no client is answered, but the requests of all are read. A few fsyncs
// then commit all that they asked for in the meantime.
func TestNobodyIsAnsweredBeforeTheDisk(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		const clients = 20
		d := &disk{}
		s, dial := durable(t, network, journal.Always, d)
		first, others := dial(), make([]*socketClient, clients)
		for i := range others {
			others[i] = dial()
			others[i].send("version") // so that the connection is served already
			others[i].gets("VERSION " + Version)
		}
		slow := make(chan struct{})
		d.mu.Lock()
		d.slow = slow
		before := d.syncs
		d.mu.Unlock()

		first.send("add lock:first 0 600 1", "a", "get lock:first")
		eventually(t, "the first fsync", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.syncs == before+1 })
		for i, c := range others {
			c.send(fmt.Sprintf("add lock:%d 0 600 1", i), "b")
		}
		eventually(t, "all are heard", func() bool { return s.locks.Totals().Held == clients+1 })
		for _, c := range slices.Concat(others, []*socketClient{first}) {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if b, err := c.in.ReadByte(); err == nil {
				t.Fatalf("answered with %q... before the disk", b)
			}
			_ = c.SetReadDeadline(time.Now().Add(testenv.Patience))
		}
		close(slow)
		first.gets("STORED", "VALUE lock:first 0 1", "a", "END")
		for _, c := range others {
			c.gets("STORED")
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if n := d.syncs - before; n > 3 {
			t.Errorf("%d fsyncs for %d clients that came together", n, clients)
		}
	})
}

const noSpace = "SERVER_ERROR cannot write the journal: no space left on device"

// No grant, renewal or end of a hold is reported that the disk has refused. All other requests
// are answered as usual.
func TestTakenBack(t *testing.T) {
	onSockets(t, func(t *testing.T, network string) {
		d := &disk{}
		s, dial := durable(t, network, journal.Interval, d)
		c := dial()
		c.send("add lock:held 0 600 1", "1", "add lock:also 0 600 1", "1", "add lock:number 0 600 1", "1")
		c.gets("STORED", "STORED", "STORED")
		d.fill(true)
		c.send("set item 0 0 1", "5", "add lock:new 0 600 1", "a", "get lock:new", "add lock:new 0 600 1", "b",
			"add lock:quiet 0 30 1 noreply", "a", "touch lock:held 60", "incr lock:held 1", "incr item 1",
			"gat 60 lock:held lock:also none", "ms lock:meta 1 ME T30 k c", "a", "ms lock:q 1 ME T30 q", "a",
			"mg lock:held T60 v", "md lock:held I", "delete lock:also", "touch lock:held -1",
			"ma lock:number T60", "ma lock:number T-1 v", "delete none", "mn")
		c.gets("STORED", noSpace, "VALUE lock:new 0 1", "a", "END", "NOT_STORED",
			noSpace, noSpace, "6",
			noSpace, noSpace, noSpace,
			noSpace, noSpace, noSpace, noSpace,
			noSpace, noSpace, "NOT_FOUND", "MN")
		c.send("get lock:new lock:meta lock:q item", "get lock:also", "get lock:held item")
		c.gets("VALUE item 0 1", "6", "END", noSpace, noSpace)
		if n := s.locks.Totals().Held; n != 1 { // the claim with noreply: no client was told
			t.Errorf("%d locks are held", n)
		}
	})
}

// While nothing can be written, no lock is granted and no lease is extended. Holds end, but no
// client is told so before that is in the journal.
func TestWhileTheDiskIsFull(t *testing.T) {
	d := &disk{}
	s, dial := durable(t, "tcp", journal.Interval, d)
	a, b := dial(), dial()
	a.send("add lock:1 0 600 1", "1", "add lock:2 0 600 1", "1", "add lock:3 0 600 1", "1",
		"add lock:4 0 600 1", "1")
	a.gets("STORED", "STORED", "STORED", "STORED")
	b.send("add lockcached:wait=30s:lock:1 0 600 1", "b")
	s.waitForLine(t, 1)
	d.fill(true)
	a.send("touch lock:3 60") // this finds out that the disk is full
	a.gets(noSpace)

	a.send("add lock:new 0 600 1", "a", "add lock:2 0 600 1", "a", "set lock:2 0 600 1", "a", "cas lock:2 0 30 1 5", "a",
		"append lock:2 0 600 1", "a", "decr lock:2 1", "gat 60 lock:2", "mg lock:2 T60", "ma lock:2", "ma lock:2 T60", "md lock:2 x",
		"ms lock:new 1 ME", "a", "get lock:2", "set item 0 0 1", "a", "get item")
	a.gets(noSpace, "NOT_STORED", noSpace, "EXISTS",
		noSpace, noSpace, noSpace, noSpace, noSpace, noSpace, noSpace,
		noSpace, "VALUE lock:2 0 1", "1", "END", "STORED", "VALUE item 0 1", "a", "END")
	a.send("delete lock:1", "gat -1 lock:2", "mg lock:3 T-1", "ma lock:4 D0 T-1 v")
	a.gets(noSpace, noSpace, noSpace, noSpace)
	b.gets("NOT_STORED")
	a.send("stats locks")
	if got := a.untilEnd(); !strings.Contains(got, "STAT journal_failed 1\r\n") || !strings.Contains(got, "STAT held 0\r\n") {
		t.Errorf("got %s", got)
	}

	d.fill(false) // the journal tries again after a second
	eventually(t, "recovery", func() bool { return s.locks.JournalErr() == nil })
	a.send("add lock:new 0 600 1", "a", "delete lock:1", "get lock:2", "add lock:3 0 600 1", "a")
	a.gets("STORED", "NOT_FOUND", "END", "STORED")
}

// A request that ends a hold while the disk is full is answered with an error, and so are later
// requests for the lock, whether or not the disk is known to be full.
func TestEndsOnAFullDisk(t *testing.T) {
	ends := map[string][]string{
		"delete":       {"delete k"},
		"md":           {"md k"},
		"md-quietly":   {"md k q"},
		"md-stale":     {"md k I T-1"},
		"touch":        {"touch k -1"},
		"gat":          {"gat -1 k"},
		"gats":         {"gats -1 none k none"},
		"set":          {"set k 0 -1 1", "x"},
		"replace":      {"replace k 0 -1 1", "x"},
		"ms":           {"ms k 1 T-1", "x"},
		"mg":           {"mg k T-1 v"},
		"mg-quietly":   {"mg k T-1 q"},
		"flush_all":    {"flush_all"},
		"without-word": {"delete k noreply"},
	}
	after := []string{"delete k", "touch k 10", "get k", "gets none k", "gat 10 k", "incr k 1", "replace k 0 10 1", "x", "append k 0 10 1", "x",
		"cas k 0 10 1 1", "x", "mg k v", "mg k q", "md k", "md k q", "ma k", "ms k 1 MR", "x", "me k", "get lockcached:lock:k", "add k 0 10 1", "x"}
	for name, end := range ends {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, known), func(t *testing.T) {
				t.Parallel() // each waits for a second
				d := &disk{}
				s, dial := durable(t, "tcp", journal.Interval, d)
				c := dial()
				c.send("add k 0 0 1", "a", "add other 0 0 1", "a")
				c.gets("STORED", "STORED")
				d.fill(true)
				if known {
					c.send("touch other 60")
					c.gets(noSpace)
				}
				c.send(end...)
				if name != "without-word" {
					c.gets(noSpace)
				}
				for i, request := range after {
					if request == "x" {
						continue
					}
					c.send(after[i:min(i+1+strings.Count(request, " 10 1")+strings.Count(request, " MR"), len(after))]...)
					c.send("mn")
					if got := c.line(); got != noSpace {
						t.Errorf("%s: %s", request, got)
					}
					c.gets("MN")
				}
				c.send("delete none", "get none", "md none", "get other")
				if name == "flush_all" {
					c.gets("NOT_FOUND", "END", "NF", noSpace)
				} else {
					c.gets("NOT_FOUND", "END", "NF", "VALUE other 0 1", "a", "END")
				}
				d.fill(false)
				eventually(t, "recovery", func() bool { return s.locks.JournalErr() == nil })
				c.send("delete k", "add k 0 0 1", "b")
				c.gets("NOT_FOUND", "STORED")
			})
		}
	}
}

// line reads a line of an answer.
func (c *socketClient) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	must(c.t, err)
	return strings.TrimSuffix(line, "\r\n")
}

// untilEnd reads an answer up to its END.
func (c *socketClient) untilEnd() string {
	c.t.Helper()
	var all strings.Builder
	for !strings.HasSuffix(all.String(), "END\r\n") {
		line, err := c.in.ReadString('\n')
		must(c.t, err)
		all.WriteString(line)
	}
	return all.String()
}

// An answer of which a part has been sent cannot be replaced.
func TestBrokenHalfWay(t *testing.T) {
	d := &disk{}
	_, dial := durable(t, "tcp", journal.Interval, d)
	c := dial()
	const size = 50_000
	value := strings.Repeat("x", size)
	for _, key := range []string{"lock:1", "lock:2", "lock:3"} {
		c.send(fmt.Sprintf("add %s 0 30 %d", key, size), value)
		c.gets("STORED")
	}
	d.fill(true)
	c.send("get lock:1 lock:2 none lock:3")
	for range 3 {
		c.line()
		c.line()
	}
	c.gets("END")
	c.send("gat 60 lock:1 lock:2 lock:3")
	c.endsWith()
}

// Commands of all kinds, with a disk that is full now and then: every request gets one reply.
func TestMixedLoadOnAFickleDisk(t *testing.T) {
	for name, mode := range map[string]journal.Mode{"interval": journal.Interval, "always": journal.Always} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			s, dial := durable(t, "tcp", mode, d)
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					c := dial()
					for range 20 {
						c.inStep(fmt.Sprint("client", i))
					}
				})
			}
			stop := make(chan struct{})
			var fickle sync.WaitGroup
			fickle.Go(func() {
				for full := true; ; full = !full {
					d.fill(full)
					select {
					case <-stop:
						d.fill(false)
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
			})
			all.Wait()
			close(stop)
			fickle.Wait()
			eventually(t, "recovery", func() bool { return s.locks.JournalErr() == nil })
		})
	}
}

// inStep sends some requests at once and reads a reply to each.
func (c *socketClient) inStep(name string) {
	key := "lock:" + name
	requests := []string{"add " + key + " 0 600 1", "1", "touch " + key + " 30", "incr " + key + " 1", "delete " + key, "version"}
	c.send(append(requests, requests...)...)
	for range 2 * 5 {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Error(err)
			return
		}
		if strings.HasPrefix(line, "VERSION") == strings.Contains(line, "ERROR") && !strings.Contains(okReplies, line) {
			c.t.Errorf("got %q", line)
		}
	}
}

const okReplies = "STORED\r\nNOT_STORED\r\nTOUCHED\r\nNOT_FOUND\r\nDELETED\r\n2\r\n"
