package server

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
)

// by is how a batch is carried out.
type by struct {
	network string
	plain   bool // without batch calls
}

// inBatches runs a test over sockets, with batch calls and without.
func inBatches(t *testing.T, test func(t *testing.T, how by)) {
	for _, how := range []by{{"tcp", false}, {"unix", false}, {"tcp", true}, {"unix", true}} {
		t.Run(fmt.Sprintf("%s plain=%v", how.network, how.plain), func(t *testing.T) { test(t, how) })
	}
}

// A batcher is a server whose only worker serves one batch at a time, when the test says so.
type batcher struct {
	t      *testing.T
	srv    *Server
	worker *worker
	how    by
	dial   func() *socketClient
	goesOn bool // another goroutine runs the worker
}

func newBatcher(t *testing.T, how by, m *locks.Manager) *batcher {
	t.Helper()
	testAIO(t)
	s := New(Config{Locks: m, NoBatchCalls: how.plain, justGranted: testenv.Patience, MaxConns: 1000})
	l, err := newLoop(s)
	must(t, err)
	s.loop = l
	b := &batcher{t: t, srv: s, worker: &worker{loop: l}, how: how}
	b.dial = listenWith(t, how.network, s)
	t.Cleanup(b.letGo) // or the server would not shut down
	return b
}

// letGo lets the worker serve by itself.
func (b *batcher) letGo() {
	if !b.goesOn {
		b.goesOn = true
		go b.worker.run()
	}
}

// clients returns n clients whose sockets the loop watches.
func (b *batcher) clients(n int) (list []*socketClient) {
	b.t.Helper()
	for range n {
		list = append(list, b.dial())
	}
	eventually(b.t, "the loop knows the sockets", func() bool {
		known := 0
		b.srv.eachConn(func(c *conn) {
			if c.transport.(*socket).state.Load() == unattended {
				known++
			}
		})
		return known == n
	})
	b.settle()
	return list
}

func (b *batcher) connections() int {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	return len(b.srv.conns)
}

// settle handles what the worker has to do, without waiting for clients.
func (b *batcher) settle() {
	b.t.Helper()
	l := b.worker.loop
	for !b.goesOn {
		l.mu.Lock()
		mail := len(l.mail)
		l.mu.Unlock()
		if mail == 0 && len(b.worker.later) == 0 && pollNow(l.poll, unix.POLLIN)&unix.POLLIN == 0 {
			return
		}
		b.serve()
	}
}

// serve serves one batch. If it has to wait for a client, it goes on by itself.
func (b *batcher) serve() {
	b.t.Helper()
	done := make(chan bool, 1)
	go func() {
		b.worker.fill()
		done <- b.worker.handleBatch() && !b.worker.retired
	}()
	eventually(b.t, "the end of a batch", func() bool {
		select {
		case whole := <-done:
			b.goesOn = !whole
			return true
		default:
			b.goesOn = b.waitsForRoom()
			return b.goesOn
		}
	})
}

// waitsForRoom reports whether a client does not take its replies.
func (b *batcher) waitsForRoom() (waits bool) {
	b.srv.eachConn(func(c *conn) { waits = waits || c.sendDue.Load() != 0 })
	return waits
}

// awaitInput waits until so many connections have input or their end.
func (b *batcher) awaitInput(n int) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("input of %d clients", n), func() bool {
		ready := 0
		b.srv.eachConn(func(c *conn) {
			if pollNow(c.transport.descriptor(), unix.POLLIN|unix.POLLRDHUP) != 0 {
				ready++
			}
		})
		return ready == n
	})
}

// serveInput serves a batch of n connections. If the worker runs by itself, it does that anyway.
func (b *batcher) serveInput(n int) {
	b.t.Helper()
	if !b.goesOn {
		b.awaitInput(n)
		b.serve()
	}
}

// wantCalls checks that the latest call sent the replies of n sockets, if there are such calls.
func (b *batcher) wantCalls(n int) {
	b.t.Helper()
	switch a := b.worker.bulk.aio; {
	case b.how.plain && a != nil:
		b.t.Error("there are batch calls")
	case b.how.plain:
	case a == nil:
		b.t.Error("there are no batch calls")
	case a.added != n:
		b.t.Errorf("%d operations, want %d", a.added, n)
	}
}

// Everything that sockets of one batch can do, and two batches for some: each client gets the
// replies that it would get alone.
func TestBatch(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		b := newBatcher(t, how, patient())
		large := strings.Repeat("v", 20_000)
		many := strings.Repeat("incr none 1\r\n", 2000) // more than fits a slot, and more than a turn
		scripts := []struct {
			sends string
			leave func(*socketClient)
			gets  []string
		}{
			{"set a 0 0 1\r\nx\r\nget a\r\n", nil, []string{"STORED", "VALUE a 0 1", "x", "END"}},
			{"set b 0 0 1\r\n", nil, nil},
			{"ge", nil, nil},
			{"delete none\r\nver", nil, []string{"NOT_FOUND"}},
			{"set large 0 0 20000\r\n" + large + "\r\n", nil, []string{"STORED"}},
			{many, nil, slicesRepeat("NOT_FOUND", 2000)},
			{"version\r\nquit\r\nversion\r\n", nil, []string{"VERSION " + Version}},
			{"version\r\n", (*socketClient).closeWrite, []string{"VERSION " + Version}},
			{"version\r\n", func(c *socketClient) { _ = c.Close() }, nil},
			{"", func(c *socketClient) { _ = c.Close() }, nil},
			{"add KEY 0 600 1\r\n1\r\n", nil, []string{"STORED"}},
			{"add lockcached:wait=5m:KEY 0 600 1\r\n2\r\nversion\r\n", nil, []string{"STORED", "VERSION " + Version}},
			{"delete KEY\r\n", nil, []string{"DELETED"}},
			{"touch none 1 noreply\r\n", nil, nil},
			{strings.Repeat("y", 3000), nil, nil},
		}
		clients := b.clients(5 * len(scripts)) // more than one call can serve
		for i, c := range clients {
			tt := scripts[i%len(scripts)]
			_, err := c.Write([]byte(strings.ReplaceAll(tt.sends, "KEY", fmt.Sprint("lock", i/len(scripts)))))
			must(t, err)
			if tt.leave != nil {
				tt.leave(c)
			}
		}
		b.awaitInput(len(clients))
		b.settle()
		b.letGo()
		for i, c := range clients {
			if tt := scripts[i%len(scripts)]; tt.gets != nil {
				c.gets(tt.gets...)
			}
		}
		for i, c := range clients {
			switch i % len(scripts) {
			case 1:
				c.send("x", "get b")
				c.gets("STORED", "VALUE b 0 1", "x", "END")
			case 2:
				c.send("t large")
				c.gets("VALUE large 0 20000", large, "END")
			case 3:
				c.send("sion")
				c.gets("VERSION " + Version)
			case 6, 7, 14:
				c.endsWith()
			}
		}
	})
}

func slicesRepeat(s string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(s+",", n), ","), ",")
}

// One call sends the replies of a batch. A client that does not read gets the rest later, and
// keeps nobody waiting.
func TestBatchWithoutRoom(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		b := newBatcher(t, how, patient())
		all := b.clients(10)
		value := strings.Repeat("v", 15_000)
		all[0].send("set a 0 0 15000", value)
		b.serveInput(1)
		all[0].gets("STORED")
		b.srv.eachConn(func(c *conn) { _ = unix.SetsockoptInt(c.transport.descriptor(), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096) })
		silent, others := all[0], all[1:]
		_ = silent.raw.(interface{ SetReadBuffer(int) error }).SetReadBuffer(4096)
		rounds := 0
		for ; !b.goesOn; rounds++ { // until a send has to wait
			silent.send("get a")
			for _, c := range others {
				c.send("get none")
			}
			b.serveInput(len(all))
			if !b.goesOn {
				b.wantCalls(len(all))
			}
			for _, c := range others {
				c.gets("END")
			}
		}
		for range rounds {
			silent.gets("VALUE a 0 15000", value, "END")
		}
		silent.send("version")
		silent.gets("VERSION " + Version)
	})
}

// Batches of one connection are served with plain calls, and larger ones with few.
func TestBatchSizes(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		b := newBatcher(t, how, patient())
		all := b.clients(maxOps)
		for _, n := range []int{2, 3, maxOps} {
			for _, c := range all[:n] {
				c.send("version")
			}
			b.serveInput(n)
			b.wantCalls(n)
			for _, c := range all[:n] {
				c.gets("VERSION " + Version)
			}
		}
		all[0].send("version")
		b.serveInput(1)
		b.wantCalls(0)
		all[0].gets("VERSION " + Version)
	})
}

// What has arrived when the server begins to shut down is handled, wherever it is by then.
func TestBatchAtTheEnd(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		b := newBatcher(t, how, patient())
		all := b.clients(20)
		const n = 1000 // more than a slot holds
		for _, c := range all {
			c.send(strings.Repeat("incr none 1\r\n", n) + "version")
		}
		b.awaitInput(len(all))
		b.srv.eachConn((*conn).finish)
		b.letGo()
		for _, c := range all {
			c.endsWith(append(slicesRepeat("NOT_FOUND", n), "VERSION "+Version)...)
		}
	})
}

// A grant is withdrawn if the client closes with the answer unread, also if the answer was sent
// together with others.
func TestBatchedGrantNotTaken(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		b := newBatcher(t, how, patient())
		all := b.clients(6)
		holders, next := all[:5], all[5]
		for i, c := range holders {
			c.send(fmt.Sprintf("add lockcached:wait=5m:lock%d 0 600 1", i), "1")
		}
		b.serveInput(len(holders))
		b.wantCalls(len(holders))
		for i, c := range holders {
			if i%2 == 1 {
				c.gets("STORED")
			} else {
				eventually(t, "a grant in the socket", func() bool { return c.unread() > 0 })
			}
			_ = c.Close()
		}
		b.letGo()
		eventually(t, "all have gone", func() bool { return b.connections() == 1 })
		for i := range holders {
			next.send(fmt.Sprintf("add lock%d 0 600 1", i), "2")
			if i%2 == 1 {
				next.gets("NOT_STORED")
			} else {
				next.gets("STORED")
			}
		}
	})
}

// No reply of a batch leaves before the journal has kept what it reports, and each is replaced if
// that fails.
func TestBatchOnAFullDisk(t *testing.T) {
	for _, mode := range []journal.Mode{journal.Interval, journal.Always} {
		inBatches(t, func(t *testing.T, how by) {
			d := &disk{}
			j, err := journal.Open(journal.Config{Dir: t.TempDir(), Fsync: mode, Create: d.create})
			must(t, err)
			m := locks.NewManager(locks.Config{Journal: j})
			_, err = m.Recover()
			must(t, err)
			t.Cleanup(func() { _ = m.CloseJournal() })
			b := newBatcher(t, how, m)
			all := b.clients(12)
			step := func(replies ...string) {
				for i, c := range all {
					c.send([]string{fmt.Sprintf("add lock%d 0 600 1\r\n1", i), "get none", "delete none"}[i%3])
				}
				b.serveInput(len(all))
				for i, c := range all {
					c.gets(replies[i%3])
				}
			}
			if mode == journal.Always {
				b.letGo()
			}
			step("STORED", "END", "NOT_FOUND")
			d.fill(true)
			for i, c := range all {
				c.send(fmt.Sprintf("touch lock%d 60", i/3*3), "get none")
			}
			b.serveInput(len(all))
			for _, c := range all {
				c.gets(noSpace, "END")
			}
		})
	}
}

// Clients come and go while their sockets are in batches: no descriptor is used after its
// connection.
func TestBatchesOfPassersBy(t *testing.T) {
	inBatches(t, func(t *testing.T, how by) {
		s := New(Config{Locks: patient(), NoBatchCalls: how.plain, MaxConns: 1000})
		dial := listenWith(t, how.network, s)
		done := make(chan error)
		const guests, visits = 20, 20
		for i := range guests {
			go func() {
				for range visits {
					c := dial()
					c.send(fmt.Sprintf("set k%d 0 0 1", i), fmt.Sprint(i%10), fmt.Sprintf("get k%d", i))
					c.gets("STORED", fmt.Sprintf("VALUE k%d 0 1", i), fmt.Sprint(i%10), "END")
					_ = c.Close()
				}
				done <- nil
			}()
		}
		for range guests {
			must(t, <-done)
		}
	})
}
