package locks

import "unsafe"

// stringOf and bytesOf convert without a copy, for a call that neither keeps nor changes
// the bytes. A copy would allocate on the hot path.

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
