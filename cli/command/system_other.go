//go:build !linux

package command

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The system calls that get and set the modes of a terminal.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// dieWithParent can do nothing here: if we are killed, the command runs on without its lock.
func dieWithParent(*syscall.SysProcAttr) {}
