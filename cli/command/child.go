package command

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A child is a running command.
//
// Usually it leads a process group of its own, so that signals reach everything that it starts. If
// we are in the foreground of a terminal, that group takes our place. In a script or a pipeline in
// the foreground, however, it stays in our group: the other processes there need the terminal, too,
// and the terminal sends its signals to all of them.
type child struct {
	pid     int
	among   bool                 // it is in our process group, which has the terminal
	console *console             // nil if we have no controlling terminal
	changes chan unix.WaitStatus // its status when it has stopped or ended
}

// startChild starts a command. The command dies with us, because once we are killed nothing renews
// its lock.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{changes: make(chan unix.WaitStatus, 1)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	c.console = openConsole()
	front := c.console.isFront(unix.Getpgrp())
	switch {
	case front && isShared():
		c.among, cmd.SysProcAttr.Setpgid = true, false
	case front:
		cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, c.console.fd
	}
	started := make(chan error)
	go c.attend(cmd, started)
	if err := <-started; err != nil {
		if front {
			c.console.take()
		}
		c.console.close()
		return nil, err
	}
	return c, nil
}

// attend starts the command and waits for it, on a thread of its own: Pdeathsig is sent when the
// thread that started the command ends.
func (c *child) attend(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	err := cmd.Start()
	if err == nil {
		c.pid = cmd.Process.Pid
	}
	started <- err
	whom := c.pid
	if os.Getpid() == 1 {
		whom = -1 // as in a container, where nobody else waits for orphans
	}
	for err == nil {
		var pid int
		var status unix.WaitStatus
		pid, err = unix.Wait4(whom, &status, unix.WUNTRACED, nil)
		if err == unix.EINTR {
			err = nil
			continue
		}
		if pid != c.pid {
			continue
		}
		c.changes <- status
		if status.Exited() || status.Signaled() {
			return
		}
	}
}

// signal sends a signal to the command and, unless it is in our process group, to everything that
// it has started. EPERM means that all of these processes run as other users.
func (c *child) signal(sig syscall.Signal) error {
	if c.among {
		return unix.Kill(c.pid, sig)
	}
	return unix.Kill(-c.pid, sig)
}

// pass passes on a signal that was sent to us. A signal from the terminal has already reached a
// command in our group.
func (c *child) pass(sig syscall.Signal) error {
	switch {
	case c.among && (sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGCONT):
		return nil
	case sig == unix.SIGCONT && c.console.isFront(unix.Getpgrp()):
		c.console.give(c.pid)
	}
	return c.signal(sig)
}

// stopped is called when the command has stopped, as by Ctrl-Z. It stops us, too, so that the shell
// sees its job stop. Without a terminal it does not: nobody would continue us.
func (c *child) stopped() {
	if c.console == nil || c.among {
		return
	}
	if c.console.isFront(c.pid) {
		c.console.take()
	}
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
}

// gone is called when the command has ended. had says that it had to end: then the processes that
// it has left behind are killed, too. An error means that they still run.
func (c *child) gone(had bool) (err error) {
	if had && !c.among {
		err = c.clear()
	}
	if c.console.isFront(c.pid) {
		c.console.take()
	}
	c.console.close()
	return err
}

// clear kills what the command has started. The kernel reports processes that we may not kill only
// when no others are left, so clear asks again.
func (c *child) clear() error {
	err := c.signal(unix.SIGKILL)
	for deadline := time.Now().Add(clearTime); err == nil && time.Now().Before(deadline); err = c.signal(unix.SIGKILL) {
		time.Sleep(clearTime / 100)
	}
	if err == unix.EPERM {
		return err
	}
	return nil
}

// clearTime is how long killed processes may take to vanish.
const clearTime = time.Second

// A console is our controlling terminal; nil if there is none.
type console struct{ fd int }

func openConsole() *console {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return &console{fd}
}

func (c *console) close() {
	if c != nil {
		_ = unix.Close(c.fd)
	}
}

// isFront reports whether a process group is in the foreground.
func (c *console) isFront(group int) bool {
	if c == nil {
		return false
	}
	front, err := unix.IoctlGetInt(c.fd, unix.TIOCGPGRP)
	return err == nil && front == group
}

// isShared reports whether others in our process group may need the terminal: the
// script that started us, or the other end of a pipe.
func isShared() bool {
	if unix.Getpgrp() != unix.Getpid() {
		return true
	}
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK) {
			return true
		}
	}
	return false
}

// give puts a process group in the foreground.
func (c *console) give(group int) { _ = unix.IoctlSetPointerInt(c.fd, unix.TIOCSPGRP, group) }

// take puts our process group in the foreground.
func (c *console) take() {
	// SIGTTOU stops a process in the background that does this, unless it ignores the signal.
	// We must not ignore it earlier: the command would inherit that.
	signal.Ignore(unix.SIGTTOU)
	c.give(unix.Getpgrp())
}
