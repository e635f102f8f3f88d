package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// parentEnv is the variable with the descriptor of the pipe through which a server in the
// background tells the process that started it with -d whether it serves.
const parentEnv = argv.EnvPrefix + "DAEMON_PARENT_FD"

// servingWord tells the parent that the server serves; anything else is an error message.
const servingWord = "serving"

// openParent returns the pipe to the parent of a server in the background, or nil.
func openParent() *os.File {
	fd, err := strconv.Atoi(os.Getenv(parentEnv))
	if err != nil {
		return nil
	}
	_ = os.Unsetenv(parentEnv)
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "parent")
}

// ReportFailure tells the process that started this one with -d why it does not serve, and returns
// true. Without such a process, or when the server has served, it returns false.
func (p *Process) ReportFailure(err error) bool {
	if p.parent == nil {
		return false
	}
	fmt.Fprint(p.parent, err)
	return true
}

// reportServing tells the parent, if there is one, that the server serves: the parent can end.
func (p *Process) reportServing() {
	if p.parent != nil {
		fmt.Fprint(p.parent, servingWord)
		_ = p.parent.Close()
		p.parent = nil
	}
}

// staysInForeground says why -d does not move this process to the background; "" if it does.
func staysInForeground() string {
	switch {
	case os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("LISTEN_PID") != "":
		return "systemd waits for this process"
	case os.Getpid() == 1:
		return "a container ends with its first process"
	}
	return ""
}

// daemonise starts the server as a process of its own without a terminal, and returns when that
// process serves. If it fails to start, its error and exit code become ours, so that scripts notice.
func (p *Process) daemonise() error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	report, parent, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	defer report.Close()
	cmd := &exec.Cmd{
		Path: program, Args: p.Args, ExtraFiles: []*os.File{parent},
		Env:         append(os.Environ(), parentEnv+"=3"), // the first behind the standard ones
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if log := p.regularLog(); log != nil {
		cmd.Stderr = log
	}
	err = cmd.Start()
	_ = parent.Close()
	if err != nil {
		return fmt.Errorf("-d: %w", err)
	}
	heard := make(chan struct{})
	go p.passSignals(cmd.Process, heard)
	said, err := io.ReadAll(report)
	close(heard)
	if string(said) == servingWord {
		return cmd.Process.Release()
	}
	return notServing(string(said), cmp.Or(cmd.Wait(), err))
}

// passSignals passes the signals that we receive on to the server that we wait for.
func (p *Process) passSignals(server *os.Process, heard <-chan struct{}) {
	for {
		select {
		case sig := <-p.Signals:
			_ = server.Signal(sig)
		case <-heard:
			return
		}
	}
}

// notServing is the error for a server in the background that did not start: what it said, or how
// it died.
func notServing(said string, err error) error {
	end, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case said != "" && ok:
		return exit.With(end.ExitCode(), errors.New(said))
	case said != "":
		return errors.New(said)
	case err != nil:
		return fmt.Errorf("-d: the server ended before it served: %w", err)
	}
	return errors.New("-d: the server was stopped before it served")
}

// regularLog returns our standard error if it is a file, or nil. If the server kept a pipe or a
// terminal open, the reader of that would wait until the server ends.
func (p *Process) regularLog() *os.File {
	f, ok := p.Stderr.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return f
}
