//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	readyWithin = 10 * time.Second
	stopWithin  = 5 * time.Second
)

// Process is a server that a benchmark started and will end.
type Process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{} // closed when the process has been waited for
}

// Start starts cmd. What the process prints is kept for the report of its
// failure.
func Start(cmd *exec.Cmd) (*Process, error) {
	log, err := unnamedFile()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	p := &Process{cmd: cmd, log: log, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig, which ends the server even if we are killed, goes by
		// the thread that started it: that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()

		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		log.Close()
		return nil, err
	}
	return p, nil
}

// unnamedFile opens a file that is already deleted, so that nothing is left
// behind however we end.
func unnamedFile() (*os.File, error) {
	f, err := os.CreateTemp("", "rig-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// WaitReady calls probe until it succeeds. It gives up when the process ends, after ten
// seconds, or when ctx is done.
func (p *Process) WaitReady(ctx context.Context, probe func() error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s: %s; it printed: %s", p.cmd.Path, p.cmd.ProcessState, p.Printed())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; it printed: %s", p.cmd.Path, err, p.Printed())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop asks the process to end, and kills it if it does not.
func (p *Process) Stop() {
	defer p.log.Close()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// Kill ends the process at once, as a crash would, and returns when it has ended.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// Signal sends the process a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State is how the process ended, once Exited is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Printed returns the end of what the process wrote.
func (p *Process) Printed() string {
	info, err := p.log.Stat()
	if err != nil {
		return err.Error()
	}
	tail := make([]byte, min(info.Size(), 2000))
	if _, err := p.log.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return err.Error()
	}
	return string(tail)
}
