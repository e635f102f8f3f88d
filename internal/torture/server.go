//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
)

// program is the server to be tortured.
type program struct {
	path string
	env  []string // besides our own
}

// A server is the program running. It can be killed and started again.
type server struct {
	*rig.Process
	program program
	host    string // "" is 127.0.0.1
	port    int
	addr    string // host:port
	flags   []string
	within  []string                      // the command that runs the program elsewhere; none here
	dial    func(string) (*client, error) // nil from here
}

// start runs the program on a free port and waits until it answers.
func (p program) start(ctx context.Context, flags ...string) (*server, error) {
	s, err := p.prepare(flags...)
	if err != nil {
		return nil, err
	}
	return s, s.again(ctx)
}

// prepare returns a server that is not running yet.
func (p program) prepare(flags ...string) (*server, error) {
	port, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	return &server{program: p, port: port, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), flags: flags}, nil
}

// again starts the program on the port that it had before, with its flags. While it was
// dead, another connection may have taken the port for a moment.
func (s *server) again(ctx context.Context) error {
	const tries = 10
	for try := 1; ; try++ {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		s.Stop()
		if try == tries || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			return err
		}
	}
}

// ready waits until the server answers. It takes longer to give up than a
// benchmark would: the machine may be busy with what we do to it.
func (s *server) ready(ctx context.Context) error {
	for end := time.Now().Add(answerWithin); ; {
		err := s.WaitReady(ctx, s.probe)
		if err == nil || s.over() || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// over reports whether the process has ended.
func (s *server) over() bool {
	select {
	case <-s.Exited():
		return true
	default:
		return false
	}
}

// launch starts the program and does not wait.
func (s *server) launch() error {
	args := []string{"-l", cmp.Or(s.host, "127.0.0.1"), "-p", strconv.Itoa(s.port), "--log-format", "json"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root") // it warns unless told
	}
	cmd := commandWithin(s.within, s.program.path, append(args, s.flags...))
	cmd.Env = append(os.Environ(), s.program.env...)
	var err error
	s.Process, err = rig.Start(cmd)
	return err
}

// commandWithin is a program that another command runs, if there is one.
func commandWithin(within []string, path string, args []string) *exec.Cmd {
	words := append(append(slices.Clone(within), path), args...)
	return exec.Command(words[0], words[1:]...)
}

// connect connects to the server from where its clients are.
func (s *server) connect() (*client, error) {
	if s.dial != nil {
		return s.dial(s.addr)
	}
	return dial(s.addr)
}

func (s *server) probe() error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.ask("mn\r\n", time.Second)
	return err
}

// crash kills the server and cleans up after it.
func (s *server) crash() {
	s.Kill()
	s.Stop()
}

// end asks the server to stop. It is an error if it takes longer than the time
// given, or does not end well.
func (s *server) end(within time.Duration) error {
	defer s.Stop()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.Exited():
	case <-time.After(within):
		return fmt.Errorf("still running %v after SIGTERM; it printed: %s", within, s.Printed())
	}
	if code := s.State().ExitCode(); code != 0 {
		return fmt.Errorf("exit code %d after SIGTERM; it printed: %s", code, s.Printed())
	}
	return nil
}
