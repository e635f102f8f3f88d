package logging

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// stuck is a writer without a reader until it is opened.
type stuck struct {
	open chan struct{}
	bytes.Buffer
	pieces int
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.open
	s.pieces++
	return s.Buffer.Write(p)
}

// A log without a reader blocks no writer. Lines that do not fit are dropped, which is logged
// when the reader goes on.
func TestLogQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{open: make(chan struct{})}
		log, queue := Start(out, JSON, NewLevel(zerolog.InfoLevel))
		log.Info().Msg("first")
		synctest.Wait() // which is being written
		const kept = 100
		owner := strings.Repeat("x", maxUnlogged/kept)
		for range 2 * kept {
			log.Info().Str("owner", owner).Msg("next")
		}
		synctest.Wait()
		n := queue.both()
		if n.written != 0 || n.dropped < kept || n.dropped > kept+2 {
			t.Errorf("%d lines are written, %d dropped", n.written, n.dropped)
		}
		close(out.open)
		synctest.Wait()
		log.Info().Msg("last")
		queue.Close()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		said := lines[len(lines)-2]
		if !strings.Contains(said, fmt.Sprintf(`"dropped":%d`, n.dropped)) || !strings.Contains(lines[len(lines)-1], "last") {
			t.Errorf("at the end are %q", lines[len(lines)-2:])
		}
		if got := queue.both(); got.written != uint64(len(lines)) || got.dropped != n.dropped {
			t.Errorf("%d lines of %d are counted, %d dropped", got.written, len(lines), got.dropped)
		}
	})
}

// Close waits only for a reader that reads.
func TestLogQueueAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{open: make(chan struct{})}
		log, queue := Start(out, JSON, NewLevel(zerolog.InfoLevel))
		log.Info().Msg("nobody reads this")
		began := time.Now()
		queue.Close()
		if took := time.Since(began); took != logPatience {
			t.Errorf("took %v", took)
		}
		log.Info().Msg("nor this")
		if n := queue.both(); n.dropped != 1 {
			t.Errorf("%d are dropped after the end", n.dropped)
		}
		close(out.open)
	})
}

// Small lines are written together, as long as a pipe takes them in one piece.
func TestLogPieces(t *testing.T) {
	out := &stuck{open: make(chan struct{})}
	queue := newQueue(out)
	var want strings.Builder
	for _, size := range []int{10, 4086, 1, 5000, 2000, 2000, 96, 1} {
		line := strings.Repeat("x", size-1) + "\n"
		want.WriteString(line)
		_, _ = queue.Write([]byte(line))
	}
	close(out.open)
	go queue.run()
	queue.Close()
	if out.pieces != 5 || out.String() != want.String() {
		t.Errorf("%d bytes of %d are written in %d pieces", out.Len(), want.Len(), out.pieces)
	}
}

func TestFormats(t *testing.T) {
	tests := []struct{ format, want string }{
		{Auto, `{"level":"info"`}, // a buffer is no terminal
		{JSON, `{"level":"info"`},
		{Console, "INF serving"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		log, queue := Start(&b, tt.format, NewLevel(zerolog.InfoLevel))
		log.Info().Msg("serving")
		log.Debug().Msg("chatter")
		queue.Close()
		if !strings.Contains(b.String(), tt.want) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%s: %q", tt.format, &b)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Lines whose reader has gone are counted, but not reported.
func TestLogOfNobody(t *testing.T) {
	log, queue := Start(broken{}, JSON, NewLevel(zerolog.InfoLevel))
	log.Info().Msg("x")
	log.Info().Msg("y")
	queue.Close()
	if n := queue.both(); n != (counts{dropped: 2}) {
		t.Errorf("%+v", n)
	}
}

// both returns the Counts in one value.
func (q *Queue) both() counts {
	written, dropped := q.Counts()
	return counts{written, dropped}
}
