// Package digest makes keys shorter that have no room for what is put in front of them, or
// behind.
package digest

import (
	"crypto/sha256"
	"fmt"
)

// Shorten is the beginning of a key, of so many bytes, and the digest of all of it: 33
// bytes more.
func Shorten(key string, beginning int) string {
	digest := sha256.Sum256([]byte(key))
	return fmt.Sprintf("%s:%x", key[:beginning], digest[:16])
}
