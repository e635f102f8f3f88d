package logging

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// Warnings and errors are kept for a while, whatever the format of the log is, and no more than
// fit.
func TestWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, format := range []string{JSON, Console} {
			log, queue := Start(new(bytes.Buffer), format, NewLevel(zerolog.InfoLevel))
			began := time.Now()
			log.Warn().Str("lock", "<k>").Msg("old")
			time.Sleep(time.Hour)
			log.Info().Msg("said")
			log.Error().Msg("wrong")
			log.Warn().Str("much", strings.Repeat("x", maxWarningBytes)).Msg("long")
			if got := queue.Warnings(began); len(got) != 1 || !bytes.Contains(got[0], []byte(`"message":"wrong"`)) {
				t.Errorf("%s: %s", format, got)
			}
			if got := queue.Warnings(began.Add(-1)); len(got) != 2 || !bytes.Contains(got[1], []byte(`"lock":"<k>"`)) {
				t.Errorf("%s: %s", format, got)
			}
			for i := range 3 * maxWarnings {
				log.Warn().Int("n", i).Msg("many")
			}
			got := queue.Warnings(began)
			for i, line := range got {
				if want := fmt.Sprintf(`"n":%d,`, 3*maxWarnings-1-i); !bytes.Contains(line, []byte(want)) {
					t.Fatalf("%d of %d: %s", i, len(got), line)
				}
			}
			if len(got) != maxWarnings {
				t.Errorf("%d are kept", len(got))
			}
			queue.Close()
		}
	})
}
