package processes_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoDescriptorsLeft takes all descriptors away from a running server. A client that is
// connected goes on to release and to be served; any other is told that there are too many.
func TestNoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	server := start(t)
	address := server.Address()
	client := clientOf(t, address)
	holder, waiter := dial(t, address), dial(t, address)
	holder.send("add job 0 60 1\r\nx\r\n")
	holder.gets("STORED")
	waiter.send(claimOfWaiter)
	waitForField(t, client, "lockcached:lock:job", "queued=1")

	restore := limitFiles(t, server.Command.Process.Pid)
	for refused := 0; refused < 5; { // first some clients find a free descriptor among those in use
		late := dial(t, address)
		_, _ = late.Write([]byte("version\r\n"))
		line, err := late.in.ReadString('\n')
		switch {
		case line == "ERROR Too many open connections\r\n":
			refused++
		case !strings.HasPrefix(line, "VERSION "):
			t.Fatalf("got %q, %v", line, err)
		}
	}
	holder.send("touch job 60\r\ndelete job\r\n")
	holder.gets("TOUCHED", "DELETED")
	waiter.gets("STORED")
	waiter.send("delete job\r\n")
	waiter.gets("DELETED")

	restore()
	late := dial(t, address)
	late.send("version\r\n")
	if line, err := late.in.ReadString('\n'); !strings.HasPrefix(line, "VERSION ") {
		t.Errorf("got %q, %v when there are descriptors again", line, err)
	}
	server.Stop()
	if log := server.Log(); !strings.Contains(log, "cannot accept connections") {
		t.Errorf("it has logged only:\n%s", log)
	}
}

// TestWebTakesNoDescriptors opens several hundred connections to --metrics, silent or in
// the middle of a request, while descriptors are few: those for lock clients must remain
// free.
func TestWebTakesNoDescriptors(t *testing.T) {
	t.Parallel()
	const clients = 200
	for name, says := range map[string]string{"silent": "", "unfinished": "GET /metrics HTTP/1.1\r\n"} {
		t.Run(name, func(t *testing.T) {
			server := start(t, "--metrics", "127.0.0.1:0", "-c", strconv.Itoa(clients))
			defer server.Stop()
			limit(t, server.Command.Process.Pid, unix.RLIMIT_NOFILE, 300)
			web := metrics(t, server)
			for range 320 {
				conn, err := net.Dial("tcp", web)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, says)
			}
			for i := range clients {
				c := dial(t, server.Address())
				c.send(fmt.Sprintf("add job:%d 0 60 1\r\nx\r\n", i))
				c.gets("STORED")
			}
			if name == "silent" {
				wantHealth(t, web, http.StatusOK, "ok")
			}
		})
	}
}

// limitFiles leaves a process no more descriptors than it has open, until restore is
// called.
func limitFiles(t *testing.T, pid int) (restore func()) {
	t.Helper()
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for _, fd := range open {
		n, _ := strconv.Atoi(fd.Name())
		highest = max(highest, n)
	}
	before := limit(t, pid, unix.RLIMIT_NOFILE, uint64(highest+1))
	return func() { limit(t, pid, unix.RLIMIT_NOFILE, before) }
}
