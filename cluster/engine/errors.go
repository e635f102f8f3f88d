package engine

import (
	"errors"
	"fmt"
)

// Every error of Txn is one of these two. Errors of reads are, too, but for them it makes
// no difference.
var (
	// ErrRefused says that a transaction was not carried out and never will be.
	ErrRefused = errors.New("engine: refused")

	// ErrUnknown says that a transaction may or may not have been carried out, or may yet
	// be. A read that ends so has only failed.
	ErrUnknown = errors.New("engine: outcome unknown")
)

// More about an error, beside one of the above.
var (
	// ErrClosed says that Close was called, or that the engine has come to its end.
	ErrClosed = errors.New("engine: closed")

	// ErrNoSpace says that the store is full. What puts nothing is still carried out. It
	// comes with ErrUnknown, because the transaction that fills the store is carried out
	// and yet answered so.
	ErrNoSpace = errors.New("engine: no space left")

	// ErrCompacted says that a revision is too old to be read.
	ErrCompacted = errors.New("engine: compacted")
)

// Refused makes an ErrRefused that says why. The format may wrap another error.
func Refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

// Unknown makes an ErrUnknown of an error that leaves it open what happened.
func Unknown(err error) error { return fmt.Errorf("%w: %w", ErrUnknown, err) }
