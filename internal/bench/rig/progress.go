//go:build linux

package rig

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Progress shows on a terminal how far a benchmark has got, on one line that is
// overwritten. Elsewhere it shows nothing.
type Progress struct {
	total, done int
	terminal    bool
}

// NewProgress returns the progress of a benchmark of total steps.
func NewProgress(total int) *Progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return &Progress{total: total, terminal: err == nil}
}

// Step says that the next step begins.
func (p *Progress) Step(what string) {
	p.done++
	p.Show(fmt.Sprintf("[%d/%d] %s", p.done, p.total, what))
}

// Show writes a line in place of the one before.
func (p *Progress) Show(line string) {
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K", line)
	}
}

// Clear removes the line.
func (p *Progress) Clear() {
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
