package protocol

import "sync/atomic"

// Allowance bounds, in bytes, the memory that many connections together use for requests
// that have not arrived completely, or for unread answers. Safe for concurrent use; a nil
// Allowance has no bound.
type Allowance struct{ size, left atomic.Int64 }

// NewAllowance returns an Allowance of the given number of bytes.
func NewAllowance(bytes int64) *Allowance {
	a := new(Allowance)
	a.Resize(bytes)
	return a
}

// Resize changes the bound. If more is in use than that, nothing can be taken until enough was given
// back.
func (a *Allowance) Resize(bytes int64) { a.left.Add(bytes - a.size.Swap(bytes)) }

// Take reports whether n bytes are left, and takes them if so.
func (a *Allowance) Take(n int) bool {
	if a == nil || a.left.Add(-int64(n)) >= 0 {
		return true
	}
	a.left.Add(int64(n))
	return false
}

// Give returns n bytes that were taken.
func (a *Allowance) Give(n int) {
	if a != nil {
		a.left.Add(int64(n))
	}
}
