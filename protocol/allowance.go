package protocol

import "sync/atomic"

// Allowance bounds, in bytes, what many connections together keep for requests that
// have not arrived as a whole, or for answers that were not read. Safe for concurrent
// use; nil has no bound.
type Allowance struct{ left atomic.Int64 }

// NewAllowance returns an Allowance of that many bytes.
func NewAllowance(bytes int64) *Allowance {
	a := new(Allowance)
	a.left.Store(bytes)
	return a
}

// Take reports whether there are n bytes left, and takes them if so.
func (a *Allowance) Take(n int) bool {
	if a == nil || a.left.Add(-int64(n)) >= 0 {
		return true
	}
	a.left.Add(int64(n))
	return false
}

// Give gives back what was taken.
func (a *Allowance) Give(n int) {
	if a != nil {
		a.left.Add(int64(n))
	}
}
