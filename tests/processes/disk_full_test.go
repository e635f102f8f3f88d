package processes_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// fill writes a file until there is no space left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
}

// TestDiskFull: on a full disk no lock is granted or renewed, and health is red. A release
// is carried out, but answered with an error. Once there is space everything is as before,
// and what was released stays released.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	server := start(t, "--data", filepath.Join(disk, "data"), "--metrics", "127.0.0.1:0")
	web := metrics(t, server)
	client := clientOf(t, server.Address())
	is(t, "add", client.Add(item("lock:kept", "a", 60)), nil)
	is(t, "add", client.Add(item("lock:released", "a", 60)), nil)
	wantHealth(t, web, http.StatusOK, "ok")

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	// The rest of the journal's last page has room for some more.
	refused := func() error {
		return client.Add(item("lock:new"+fmt.Sprint(time.Now().UnixNano()), strings.Repeat("x", 4096), 60))
	}
	var err error
	for err = refused(); err == nil; err = refused() {
	}
	const line = "SERVER_ERROR cannot write the journal: no space left on device"
	if !strings.Contains(err.Error(), line) {
		t.Errorf("refused with %v", err)
	}
	if err := client.Touch("lock:kept", 60); err == nil || !strings.Contains(err.Error(), line) {
		t.Errorf("touch: %v", err)
	}
	is(t, "add of a held lock", client.Add(item("lock:kept", "b", 60)), memcache.ErrNotStored)
	if err := client.Delete("lock:released"); err == nil || !strings.Contains(err.Error(), line) {
		t.Errorf("delete: %v", err)
	}
	wantHealth(t, web, http.StatusServiceUnavailable, "locks: cannot write the journal: no space left on device")

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "a lock is granted once there is space", func() bool { return refused() == nil })
	wantHealth(t, web, http.StatusOK, "ok")
	server.Kill()
	server = start(t, "--data", filepath.Join(disk, "data"))
	defer server.Stop()
	client = clientOf(t, server.Address())
	is(t, "add of what was kept", client.Add(item("lock:kept", "b", 60)), memcache.ErrNotStored)
	is(t, "add of what was released", client.Add(item("lock:released", "b", 60)), nil)
}

// fillDisk keeps the process from writing any file beyond that many bytes, as if there were
// no more space.
func fillDisk(t *testing.T, p *harness.Process, bytes int) {
	limit(t, p.Command.Process.Pid, unix.RLIMIT_FSIZE, uint64(bytes))
}

func emptyDisk(t *testing.T, p *harness.Process) {
	limit(t, p.Command.Process.Pid, unix.RLIMIT_FSIZE, unix.RLIM_INFINITY)
}

// tooLarge is the answer to a claim, a renewal or an end then.
const tooLarge = "SERVER_ERROR cannot write the journal: file too large"

// TestEndsOnAFullDisk: every end of a hold on a full disk is answered with an error. If the
// server is killed then, the holds are there again, and nothing else is; if there is space
// before the kill, they have ended.
func TestEndsOnAFullDisk(t *testing.T) {
	t.Parallel()
	ends := []string{"delete k0\r\n", "md k1\r\n", "md k2 q\r\n", "touch k3 -1\r\n", "gat -1 k4\r\n",
		"set k5 0 -1 1\r\nx\r\n", "cas k6 0 -1 1 TOKEN\r\nx\r\n", "ms k7 1 T-1\r\nx\r\n", "mg k8 T-1\r\n",
		"md k9 CTOKEN\r\n", "flush_all\r\n"}
	for _, mode := range []string{"always", "interval", "never"} {
		for _, killed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", mode, killed), func(t *testing.T) {
				t.Parallel()
				flags := []string{"--data", filepath.Join(t.TempDir(), "data"), "--fsync", mode}
				server := start(t, flags...)
				c := dial(t, server.Address())
				tokens := make(map[string]string)
				for i := range ends {
					key := fmt.Sprint("k", i)
					tokens[key] = c.claim(key)
				}
				fillDisk(t, server, 0)
				c.send("add new 0 0 1\r\nx\r\n")
				c.gets(tooLarge)
				for i, end := range ends {
					c.send(strings.Replace(end, "TOKEN", tokens[fmt.Sprint("k", i)], 1))
					c.gets(tooLarge)
				}
				c.send("delete k0\r\nget k10\r\nadd k1 0 0 1\r\nx\r\nget new\r\n")
				c.gets(tooLarge, tooLarge, tooLarge, "END")
				if !killed {
					emptyDisk(t, server)
					waitUntilKept(t, server)
				}
				server.Kill()

				server = start(t, flags...)
				defer server.Stop()
				c = dial(t, server.Address())
				for key, token := range tokens {
					c.send("mg " + key + " c\r\n")
					if killed {
						c.gets("HD c" + token)
					} else {
						c.gets("EN")
					}
				}
				c.send("get new\r\n")
				c.gets("END")
			})
		}
	}
}

// TestStopAfterAFullDisk: an orderly stop writes what was refused while there was no space,
// if there is some now.
func TestStopAfterAFullDisk(t *testing.T) {
	t.Parallel()
	flags := []string{"--data", filepath.Join(t.TempDir(), "data")}
	server := start(t, flags...)
	c := dial(t, server.Address())
	c.claim("job")
	fillDisk(t, server, 0)
	c.send("delete job\r\n")
	c.gets(tooLarge)
	emptyDisk(t, server)
	server.Stop()
	server = start(t, flags...)
	defer server.Stop()
	c = dial(t, server.Address())
	c.send("mg job\r\n")
	c.gets("EN")
}

// claim takes a lock without a TTL and returns its token.
func (w *socket) claim(key string) (token string) {
	w.t.Helper()
	w.send("ms " + key + " 1 ME c\r\nx\r\n")
	line, err := w.in.ReadString('\n')
	token, ok := strings.CutPrefix(strings.TrimSpace(line), "HD c")
	if err != nil || !ok {
		w.t.Fatalf("got %q, %v", line, err)
	}
	return token
}

// waitUntilKept returns when the journal can be written again, waitUntilFull when it
// cannot.
func waitUntilKept(t *testing.T, p *harness.Process) {
	waitForClaims(t, p, func(err error) bool { return err == nil })
}

func waitUntilFull(t *testing.T, p *harness.Process) {
	waitForClaims(t, p, func(err error) bool { return err != nil && strings.Contains(err.Error(), tooLarge) })
}

func waitForClaims(t *testing.T, p *harness.Process, are func(error) bool) {
	t.Helper()
	client := clientOf(t, p.Address())
	var err error
	for i := range 6000 {
		if err = client.Add(item(fmt.Sprint("probe:", i), "x", 60)); are(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("claims are answered with %v\n%s", err, p.Log())
}

// metrics is the address at which the process serves metrics.
func metrics(t *testing.T, p *harness.Process) string {
	t.Helper()
	var address string
	testenv.Eventually(t, "the address of the metrics is logged, which follows the port", func() (found bool) {
		_, rest, _ := strings.Cut(p.Log(), `"metrics":"`)
		address, _, found = strings.Cut(rest, `"`)
		return found
	})
	return address
}

// wantHealth asks whether the server is well.
func wantHealth(t *testing.T, address string, code int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != code || string(text) != body+"\n" {
		t.Errorf("health is %d %q, want %d %q", answer.StatusCode, text, code, body)
	}
}
