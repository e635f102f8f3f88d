// Package exit says how the program ends: an error carries its exit code from where it arises
// to Main. It ends nothing itself.
package exit

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// Exit codes that the server and every command use, besides 0.
const (
	Failed  = 1 // what was asked for could not be done
	Refused = 2 // the command line or the environment is wrong
)

// A failure has an exit code of its own. Its error is nil if everything has been said.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return fmt.Sprint(f.err) }

func (f failure) Unwrap() error { return f.err }

// With returns an error that ends the program with a code. The program prints err, unless that
// is nil.
func With(code int, err error) error { return failure{code, err} }

// A refusal is a flag or variable that makes no sense.
type refusal struct{ where, why string }

func (r refusal) Error() string { return r.where + ": " + r.why }

// Refuse returns the error for a flag, a word or a variable that makes no sense. where is the flag,
// word or variable, and why says what would be right.
func Refuse(where, why string) error { return refusal{where, why} }

// ErrPipeClosed ends a command without a failure: the reader of the standard output has read
// enough, as in "lockcached ls | head -1".
var ErrPipeClosed = errors.New("standard output: closed pipe")

// Print writes to the standard output.
func Print(stdout io.Writer, text string) error {
	_, err := fmt.Fprint(stdout, text)
	if errors.Is(err, syscall.EPIPE) {
		return ErrPipeClosed
	}
	return err
}

// Code returns the exit code for an error; 0 for nil and ErrPipeClosed.
func Code(err error) int {
	if err == nil || errors.Is(err, ErrPipeClosed) {
		return 0
	}
	if _, refused := errors.AsType[refusal](err); refused {
		return Refused
	}
	if end, ok := errors.AsType[failure](err); ok {
		return end.code
	}
	return Failed
}

// IsSilent reports whether an error leaves nothing to print.
func IsSilent(err error) bool {
	end, ok := errors.AsType[failure](err)
	return err == nil || errors.Is(err, ErrPipeClosed) || ok && end.err == nil
}
