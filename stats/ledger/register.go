package ledger

// register is what an LRU remembers, once more in an array. While one goes through that, the LRU
// may change: what stays keeps its place. The zero value is empty.
type register[T any] struct {
	all  []*T // nil where something was forgotten
	free []int32
}

// add returns the place of x, for remove.
func (r *register[T]) add(x *T) (at int32) {
	if n := len(r.free); n > 0 {
		at, r.free = r.free[n-1], r.free[:n-1]
		r.all[at] = x
		return at
	}
	r.all = append(r.all, x)
	return int32(len(r.all) - 1)
}

func (r *register[T]) remove(at int32) {
	r.all[at] = nil
	r.free = append(r.free, at)
}

// each visits all. What comes or goes meanwhile may be visited or not; all else is visited once.
func (r *register[T]) each(visit func(*T)) {
	for i := range len(r.all) { // it never shrinks
		if x := r.all[i]; x != nil {
			visit(x)
		}
	}
}
