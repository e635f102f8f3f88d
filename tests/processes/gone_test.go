package processes_test

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testenv"
)

// These tests are about clients that go away around the moment when they are served: which
// of them keep the lock, and which have it withdrawn. gone_race_test.go has many such
// moments at once, gone_link_test.go has links that are cut.

// socket is a client that can do to its connection what no library does.
type socket struct {
	t *testing.T
	*net.TCPConn
	in *bufio.Reader
}

func dial(t *testing.T, address string) *socket {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	return &socket{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (w *socket) send(text string) {
	w.t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *socket) gets(want ...string) {
	w.t.Helper()
	for _, want := range want {
		if line, err := w.in.ReadString('\n'); line != want+"\r\n" {
			w.t.Fatalf("got %q, %v, want %s", line, err, want)
		}
	}
}

// reset ends the connection without a FIN, as the kernel of a restarted host does.
func (w *socket) reset() error {
	_ = w.SetLinger(0)
	return w.Close()
}

// watch claims the lock of a key in a connection of its own, which comes next after those
// that wait already.
func watch(t *testing.T, address, key string) (served chan error) {
	t.Helper()
	watcher := clientOf(t, address)
	watcher.Timeout = testenv.Patience
	served = make(chan error, 1)
	go func() { served <- watcher.Add(item(inLine+key, "watcher", 600)) }()
	return served
}

const claimOfWaiter = "add lockcached:wait=5m:job 0 600 6\r\nwaiter\r\n"

func TestWaiterGoneBeforeGrant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, behind string
		leave        func(*socket) error
	}{
		{"closed", "", (*socket).Close},
		{"closed with input behind", "get job\r\n", (*socket).Close},
		{"half-closed", "", (*socket).CloseWrite},
		{"half-closed with input behind", "get job\r\n", (*socket).CloseWrite},
		{"reset", "", (*socket).reset},
		{"reset with input behind", "get job\r\n", (*socket).reset},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := runServer(t)
			holder, waiter := clientOf(t, address), dial(t, address)
			is(t, "holder's add", holder.Add(item("job", "holder", 600)), nil)
			waiter.send(claimOfWaiter + tt.behind)
			waitForField(t, holder, "lockcached:lock:job", "queued=1")
			if err := tt.leave(waiter); err != nil {
				t.Fatal(err)
			}
			waitForField(t, holder, "lockcached:lock:job", "queued=0")
			is(t, "delete", holder.Delete("job"), nil)
			wantFields(t, holder, "lockcached:lock:job", "held=0 acquired=1 handed_off=0 withdrawn=0")
		})
	}
}

func TestWaiterGoneAfterGrant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, behind string
		leave        func(*socket) error
	}{
		{"closed with the answer unread", "", (*socket).Close},
		{"closed with the answer unread and input behind", "get job\r\n", (*socket).Close},
		{"reset", "", (*socket).reset},
		{"reset with input behind", "get job\r\n", (*socket).reset},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := runServer(t)
			holder, waiter := clientOf(t, address), dial(t, address)
			is(t, "holder's add", holder.Add(item("job", "holder", 600)), nil)
			waiter.send(claimOfWaiter + tt.behind)
			waitForField(t, holder, "lockcached:lock:job", "queued=1")
			served := watch(t, address, "job")
			waitForField(t, holder, "lockcached:lock:job", "queued=2")
			is(t, "delete", holder.Delete("job"), nil)
			wantFields(t, holder, "lockcached:lock:job", "owner=waiter queued=1")
			if err := tt.leave(waiter); err != nil {
				t.Fatal(err)
			}
			is(t, "watcher's add", <-served, nil)
			wantFields(t, holder, "lockcached:lock:job", "owner=watcher acquired=3 handed_off=2 withdrawn=1")
		})
	}
}

// TestServedAtOnceAndGone: a client that is ready to wait may have given up before
// its claim was even read.
func TestServedAtOnceAndGone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, claim string
		leave       func(*socket) error
	}{
		{"closed, add", claimOfWaiter, (*socket).Close},
		{"closed, ms", "ms job 6 ME T600 W300000\r\nwaiter\r\n", (*socket).Close},
		{"closed with input behind", claimOfWaiter + "get job\r\n", (*socket).Close},
		{"reset", claimOfWaiter, (*socket).reset},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := runServer(t)
			observer := clientOf(t, address)
			for round := range 20 {
				waiter := dial(t, address)
				waiter.send(tt.claim)
				if round%2 == 0 {
					waitForField(t, observer, "lockcached:lock:job", "owner=waiter")
				}
				if err := tt.leave(waiter); err != nil {
					t.Fatal(err)
				}
				waitForField(t, observer, "lockcached:lock:job", "owner=-")
			}
		})
	}
}

// TestAnswerTaken: a client that took its answer has the lock, whatever becomes
// of its connection.
func TestAnswerTaken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fields string
		take         func(t *testing.T, address string, holder *memcache.Client)
	}{
		{"at once", "acquired=2 handed_off=1", func(t *testing.T, address string, _ *memcache.Client) {
			nc(t, address, "add job 0 1 6\r\nwaiter\r\n", "STORED\r\n")
		}},
		{"at once, ready to wait", "acquired=2 handed_off=1", func(t *testing.T, address string, _ *memcache.Client) {
			nc(t, address, "add lockcached:wait=5m:job 0 1 6\r\nwaiter\r\n", "STORED\r\n")
		}},
		{"in line", "acquired=3 handed_off=2", func(t *testing.T, address string, holder *memcache.Client) {
			is(t, "holder's add", holder.Add(item("job", "holder", 600)), nil)
			waiter := dial(t, address)
			waiter.send("add lockcached:wait=5m:job 0 1 6\r\nwaiter\r\n")
			waitForField(t, holder, "lockcached:lock:job", "queued=1")
			is(t, "delete", holder.Delete("job"), nil)
			waiter.gets("STORED")
			_ = waiter.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := runServer(t)
			holder := clientOf(t, address)
			began := time.Now()
			tt.take(t, address, holder)
			is(t, "watcher's add", <-watch(t, address, "job"), nil)
			if lasted := time.Since(began); lasted < time.Second {
				t.Errorf("a TTL of 1 s lasted %v", lasted)
			}
			wantFields(t, holder, "lockcached:lock:job", "owner=watcher expired=1 withdrawn=0 "+tt.fields)
		})
	}
}

// nc sends text as `printf ... | nc -N` does: a half-close follows at once.
func nc(t *testing.T, address, text, want string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("nc", "-N", host, port)
	if cmd.Err != nil {
		testenv.Missing(t, cmd.Err)
	}
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
		t.Fatalf("nc: %v, %q, want %q", err, out, want)
	}
}

// TestOneSocket: threads that share a connection would wait for themselves if the release
// after a claim were not read. With a wait by policy it is read as soon as it comes.
func TestOneSocket(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"add job 0 60 6\r\nthread\r\n", "ms job 6 ME T60\r\nthread\r\n"} {
		t.Run(claim[:2], func(t *testing.T) {
			t.Parallel()
			address := runServer(t, "--wait", "*=1m")
			watcher, shared := clientOf(t, address), dial(t, address)
			refused := map[string]string{"add": "NOT_STORED", "ms ": "NS"}[claim[:3]]
			shared.send("add job 0 60 6\r\nholder\r\n")
			shared.gets("STORED")

			shared.send(claim)
			waitForField(t, watcher, "lockcached:lock:job", "queued=1")
			shared.send("delete job\r\n")
			shared.gets(refused, "DELETED")

			shared.send("add job 0 60 6\r\nholder\r\n" + claim + "delete job\r\n")
			shared.gets("STORED", refused, "DELETED")
			wantFields(t, watcher, "lockcached:lock:job", "held=0 acquired=2 released=2 wait_timeouts=2")
		})
	}
}
