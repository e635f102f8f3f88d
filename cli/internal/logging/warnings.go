package logging

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
	maxWarnings     = 200     // lines that are kept
	maxWarningBytes = 2 << 10 // of one line; a longer one is left out
)

// warnings are the latest lines of level warn and above, so that the page can show them. Safe for
// concurrent use.
type warnings struct {
	mu    sync.Mutex // guards what follows
	lines []warning
	next  int // the oldest, once there are maxWarnings
}

type warning struct {
	at   time.Time
	line json.RawMessage
}

// add keeps a line, in JSON.
func (w *warnings) add(line []byte) {
	line = bytes.TrimSpace(line)
	if len(line) > maxWarningBytes || !json.Valid(line) {
		return
	}
	kept := warning{time.Now(), bytes.Clone(line)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) < maxWarnings {
		w.lines = append(w.lines, kept)
		return
	}
	w.lines[w.next] = kept
	w.next = (w.next + 1) % maxWarnings
}

// Warnings returns the lines of level warn and above that were logged since a moment, the newest
// first, each as a JSON object. At most 200 are kept.
func (q *Queue) Warnings(since time.Time) (lines []json.RawMessage) {
	w := &q.warnings
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range [][]warning{w.lines[w.next:], w.lines[:w.next]} {
		for _, x := range list {
			if x.at.After(since) {
				lines = append(lines, x.line)
			}
		}
	}
	slices.Reverse(lines)
	return lines
}
