// Package transcripts plays the stories of testdata/transcripts, byte for byte, against
// lockcached in virtual time and against a real memcached.
package transcripts_test

import (
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
