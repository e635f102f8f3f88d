package server

import (
	"testing"
	"unsafe"
)

// What every connection has, and what every one that waits, fills a size class of Go's allocator:
// one more word takes 32 bytes. What few connections need is better made when it is needed.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		what       string
		is, atMost uintptr
	}{
		{"conn", unsafe.Sizeof(conn{}), 352},
		{"socket", unsafe.Sizeof(socket{}), 96},
		{"inLine", unsafe.Sizeof(inLine{}), 320},
	} {
		if tt.is > tt.atMost {
			t.Errorf("a %s has %d bytes, more than %d", tt.what, tt.is, tt.atMost)
		}
	}
}
