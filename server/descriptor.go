package server

import "syscall"

// onDescriptor calls do with the descriptor of x, if x has an open one.
func onDescriptor(x any, do func(fd int)) {
	if sc, ok := x.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { do(int(fd)) })
		}
	}
}

// fdOf is the descriptor of x, or -1 if it has none.
func fdOf(x any) (fd int) {
	fd = -1
	onDescriptor(x, func(open int) { fd = open })
	return fd
}
