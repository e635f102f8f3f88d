package command

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// How the modes of a terminal are asked for and set.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

// dieWithParent has a process killed when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
