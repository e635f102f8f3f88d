package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
)

// errPipeClosed: whoever reads the standard output has read enough, as in "lockcached ls |
// head -1". It ends a command, but is no failure.
var errPipeClosed = errors.New("standard output: closed pipe")

// write writes to the standard output.
func (a *app) write(text string) error {
	_, err := fmt.Fprint(a.stdout, text)
	if errors.Is(err, syscall.EPIPE) {
		return errPipeClosed
	}
	return err
}

// print writes what it is given as JSON, or the text.
func (a *app) print(asJSON bool, document any, text func() string) error {
	if !asJSON {
		return a.write(text())
	}
	b, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return a.write(string(b) + "\n")
}
