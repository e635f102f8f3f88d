package clitest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cli"
	"github.com/lockcached/lockcached/internal/testenv"
)

// A Server runs in the test.
type Server struct {
	Signals chan<- os.Signal
	Addrs   []string         // where it listens
	Serving map[string]any   // the log line that says that it serves
	Pending []map[string]any // log lines that Logged has passed over

	t    *testing.T
	log  chan map[string]any
	exit chan int
}

// Start runs the server with these flags, and returns when it serves.
func Start(t *testing.T, args ...string) *Server {
	t.Helper()
	return StartAs(t, "lockcached", args...)
}

// StartAs is Start for a program that was started under another name.
func StartAs(t *testing.T, name string, args ...string) *Server {
	t.Helper()
	r, w := io.Pipe()
	signals := make(chan os.Signal, 3)
	s := &Server{t: t, Signals: signals, log: make(chan map[string]any, 100), exit: make(chan int, 1)}
	go s.readLog(r)
	go func() {
		s.exit <- cli.Run(append([]string{name}, args...), io.Discard, w, signals)
		w.Close()
	}()
	s.Serving = s.Logged("serving")
	for _, addr := range s.Serving["listen"].([]any) {
		s.Addrs = append(s.Addrs, addr.(string))
	}
	return s
}

func (s *Server) readLog(r io.Reader) {
	defer close(s.log)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := make(map[string]any)
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			line["message"] = lines.Text()
		}
		s.log <- line
	}
}

// Logged waits for the log line with that message.
func (s *Server) Logged(message string) map[string]any {
	s.t.Helper()
	for line := range s.log {
		if line["message"] == message {
			return line
		}
		s.Pending = append(s.Pending, line)
	}
	s.t.Fatalf("%q was never logged, but %v", message, s.Pending)
	return nil
}

// Stop sends a signal, and expects the server to exit with 0.
func (s *Server) Stop(sig os.Signal) {
	s.t.Helper()
	s.Signals <- sig
	s.Exits(0)
}

// Exits waits until the server ends, and expects an exit code.
func (s *Server) Exits(want int) {
	s.t.Helper()
	select {
	case code := <-s.exit:
		if code != want {
			s.t.Errorf("exit %d, want %d", code, want)
		}
	case <-time.After(testenv.Patience):
		s.t.Fatal("does not stop")
	}
}

// Ask sends a request, and returns the first line of the reply.
func Ask(t *testing.T, network, addr, request string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", request)
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Errorf("%s: %v", request, err)
	}
	return reply
}
