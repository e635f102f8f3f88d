package etcd

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
)

// TestLog: of what etcd logs, errors are shown by default, with their fields, and the rest
// to those who debug.
func TestLog(t *testing.T) {
	t.Parallel()
	var w bytes.Buffer
	log := newZap(zerolog.New(&w).Level(zerolog.InfoLevel), nil).With(zap.String("member", "a"))
	log.Debug("one")
	log.Info("two")
	log.Warn("three")
	log.Error("four", zap.Int("n", 4), zap.Error(errors.New("why")))
	want := `{"level":"warn","part":"etcd","error":"why","member":"a","n":4,"message":"four"}` + "\n"
	if got := w.String(); got != want {
		t.Errorf("logged %s, want %s", got, want)
	}
	w.Reset()
	log = newZap(zerolog.New(&w).Level(zerolog.DebugLevel), nil)
	log.Info("two")
	if got := w.String(); !strings.Contains(got, `"level":"debug"`) {
		t.Errorf("to those who debug was logged %s", got)
	}
}

// TestFatal: when etcd cannot go on, the process is told to end, after the reason is in the log.
func TestFatal(t *testing.T) {
	t.Parallel()
	var w bytes.Buffer
	ended := make(chan string, 1)
	log := newZap(zerolog.New(&w), func() {
		ended <- w.String()
		runtime.Goexit() // which a process would do by os.Exit
	})
	go log.Fatal("no space left on device")
	if got := <-ended; !strings.Contains(got, `"level":"error"`) || !strings.Contains(got, "no space left on device") {
		t.Errorf("logged before the end: %s", got)
	}
}
