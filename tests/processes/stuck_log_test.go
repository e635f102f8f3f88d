//go:build linux

package processes_test

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// fullPipe is a pipe with no room left.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	for line := []byte("x\n"); ; {
		if _, err := unix.Write(fds[1], line); err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
	}
	r, w = os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// TestLogThatNobodyReads: a log that nobody reads blocks no lock, no client and no exit. A
// later reader finds all that was logged.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r, w := fullPipe(t)
			server := harness.StartLogging(t, w, "--log-format", format, "--log-level", "debug")
			holder, waiter := dial(t, server.Address()), dial(t, server.Address())
			for range 3 {
				holder.send("add job 0 1 1\r\nx\r\n")
				holder.gets("STORED")
				waiter.send("add lockcached:wait=1m:job 0 60 1\r\ny\r\n")
				waiter.gets("STORED") // after an expiry, which is logged
				waiter.send("delete job\r\n")
				waiter.gets("DELETED")
				late := dial(t, server.Address())
				late.send("\x80junk that is not spoken, which is logged\r\n")
				late = dial(t, server.Address())
				late.send("get job\r\n")
				late.gets("END")
			}
			ends(t, server, syscall.SIGTERM, 0)
			_ = w.Close()
			if all, err := io.ReadAll(r); err != nil || strings.Contains(string(all), "serving") {
				t.Errorf("the pipe was not full: %v", err)
			}
		})
	}
	t.Run("read-at-last", func(t *testing.T) {
		t.Parallel()
		r, w := fullPipe(t)
		server := harness.StartLogging(t, w)
		client := dial(t, server.Address())
		client.send("mn\r\n")
		client.gets("MN")
		_ = w.Close()
		logged := make(chan string)
		go func() {
			all, _ := io.ReadAll(r)
			logged <- string(all)
		}()
		ends(t, server, syscall.SIGTERM, 0)
		if all := <-logged; !strings.Contains(all, `"message":"serving"`) || !strings.Contains(all, `"message":"stopped"`) {
			t.Errorf("logged %s", strings.ReplaceAll(all, "x\n", ""))
		}
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		_, w := fullPipe(t)
		first := start(t)
		defer first.Stop()
		second := harness.NewProcess(t, w, "-p", first.Port())
		if err := second.Command.Start(); err != nil {
			t.Fatal(err)
		}
		ends(t, second, nil, 1)
	})
}

// ends wants the process to end with that code, after a signal if there is one.
func ends(t *testing.T, p *harness.Process, sig os.Signal, code int) {
	t.Helper()
	if sig != nil {
		_ = p.Command.Process.Signal(sig)
	}
	bound := time.AfterFunc(testenv.Patience, func() { _ = p.Command.Process.Kill() })
	defer bound.Stop()
	_ = p.Command.Wait()
	if got := p.Command.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
}
