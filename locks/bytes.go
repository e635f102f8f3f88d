package locks

import "unsafe"

// stringOf and bytesOf look at the same bytes as another type, for a call that
// neither keeps nor changes them. Converting would allocate on the hot path.

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
