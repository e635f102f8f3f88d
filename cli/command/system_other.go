//go:build !linux

package command

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// How the modes of a terminal are asked for and set.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// dieWithParent can do nothing here: if we are killed, the command runs on without its lock.
func dieWithParent(*syscall.SysProcAttr) {}
