package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// A terminal is one that a command changes for a while.
type terminal struct {
	fd    int
	modes unix.Termios // as they were
}

// quietTerminal makes the terminal of f hand over keys as they are pressed, and not
// show them. Ctrl-C and Ctrl-Z stay what they are.
func quietTerminal(f *os.File) (*terminal, error) {
	t := &terminal{fd: int(f.Fd())}
	modes, err := unix.IoctlGetTermios(t.fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	t.modes = *modes
	modes.Lflag &^= unix.ICANON | unix.ECHO
	modes.Lflag |= unix.NOFLSH // Ctrl-C must not swallow what is written because of it
	modes.Cc[unix.VMIN], modes.Cc[unix.VTIME] = 1, 0
	return t, unix.IoctlSetTermios(t.fd, unix.TCSETS, modes)
}

// restore makes it what it was.
func (t *terminal) restore() { _ = unix.IoctlSetTermios(t.fd, unix.TCSETS, &t.modes) }

// size is how much fits on the terminal of f; a usual size if it is none.
func size(f *os.File) (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 || w.Row == 0 {
		return 80, 24
	}
	return int(w.Col), int(w.Row)
}
