package processes_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestSystemd plays systemd: it listens, hands the socket to lockcached, and hears its
// messages.
func TestSystemd(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "socket")
			}
			listener, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			// A client that comes before the start is served after it.
			early := dialAny(t, listener.Addr())
			if _, err := early.Write([]byte("version\r\n")); err != nil {
				t.Fatal(err)
			}
			service := startService(t, listener)
			service.says("READY=1")
			if answer, err := early.Read(make([]byte, 100)); err != nil || answer == 0 {
				t.Errorf("%d bytes, %v", answer, err)
			}
			service.signal(syscall.SIGHUP)
			service.says("RELOADING=1\nMONOTONIC_USEC=")
			service.says("READY=1")
			service.says("WATCHDOG=1")
			service.signal(syscall.SIGTERM)
			service.says("STOPPING=1")
			if err := service.cmd.Wait(); err != nil {
				t.Error(err)
			}
			dialAny(t, listener.Addr()) // still listens: the next start finds clients that wait
		})
	}
}

func dialAny(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	return conn
}

// service is lockcached as started by systemd.
type service struct {
	t     *testing.T
	cmd   *exec.Cmd
	heard *net.UnixConn
}

// startService starts lockcached with the listener as its descriptor 3.
func startService(t *testing.T, listener net.Listener) *service {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heard.Close() })
	_ = heard.SetReadDeadline(time.Now().Add(testenv.Patience))
	file, err := listener.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A shell that becomes lockcached knows its process id.
	cmd := exec.Command("sh", "-c", `export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" "$@"`, os.Args[0], "-p", "-1")
	cmd.Env = append(os.Environ(), harness.AsProgram+"=1", "LISTEN_FDS=1", "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=60000")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &service{t, cmd, heard}
}

func (s *service) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// says waits for a message that begins with want. It skips the watchdog's in between.
func (s *service) says(want string) {
	s.t.Helper()
	message := make([]byte, 1<<10)
	for {
		n, err := s.heard.Read(message)
		switch {
		case err != nil:
			s.t.Fatalf("waiting for %q: %v", want, err)
		case strings.HasPrefix(string(message[:n]), want):
			return
		case string(message[:n]) != "WATCHDOG=1":
			s.t.Fatalf("said %q, want %q", message[:n], want)
		}
	}
}

// TestSystemdSocketOfNoUse: a socket that is not a listening stream is refused.
func TestSystemdSocketOfNoUse(t *testing.T) {
	t.Parallel()
	packets, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	file, err := packets.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", "-c", `export LISTEN_PID=$$; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), harness.AsProgram+"=1", "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{file}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "ListenStream=") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
}
