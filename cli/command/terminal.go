package command

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// A page is a command's use of the terminal for a while: a screen of its own, without a cursor, and
// keys as they are pressed. Ctrl-C and Ctrl-Z keep their meaning.
type page struct {
	screen, keyboard *os.File
	modes            *unix.Termios // of the keyboard, as they were
}

// openPage takes the terminal.
func openPage(screen, keyboard *os.File) (*page, error) {
	modes, err := unix.IoctlGetTermios(int(keyboard.Fd()), getTermios)
	if err != nil {
		return nil, err
	}
	p := &page{screen, keyboard, modes}
	p.open()
	return p, nil
}

func (p *page) open() {
	quiet := *p.modes
	quiet.Lflag &^= unix.ICANON | unix.ECHO
	quiet.Lflag |= unix.NOFLSH // Ctrl-C must not discard what is written because of it
	quiet.Cc[unix.VMIN], quiet.Cc[unix.VTIME] = 1, 0
	p.set(&quiet)
	fmt.Fprint(p.screen, "\x1b[?1049h\x1b[?25l")
}

// close gives the terminal back as it was.
func (p *page) close() {
	fmt.Fprint(p.screen, "\x1b[?25h\x1b[?1049l")
	p.set(p.modes)
}

// set sets the keyboard's modes. It fails only without a terminal; then reading keys fails, too.
func (p *page) set(modes *unix.Termios) {
	_ = unix.IoctlSetTermios(int(p.keyboard.Fd()), setTermios, modes)
}

// suspend stops the program as Ctrl-Z does, and returns when it is continued.
func (p *page) suspend() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	p.close()
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	<-continued // this thread may run on for a moment after the signal
	p.open()
}

// terminalSize returns the size of a terminal in characters; 80 by 24 if it is not known.
func terminalSize(screen *os.File) (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(screen.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 80, 24
	}
	return cmp.Or(int(w.Col), 80), cmp.Or(int(w.Row), 24)
}
