package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// maxUnlogged is how many bytes of log lines wait to be read by whoever reads the
	// log. Some 5,000 lines: a reader that is restarted misses nothing.
	maxUnlogged = 1 << 20
	// A piece that is written at a time consists of whole lines. One of this size is not
	// mixed with the lines of others who write to the same pipe (PIPE_BUF).
	maxLogPiece = 4096
	// logPatience is how long the end waits for somebody to read what is left.
	logPatience = 2 * time.Second
)

// logQueue is a writer of log lines that never waits for those who read them: a pipe
// that is full, or a terminal that was stopped, must not stop the locks. A goroutine
// writes the lines; those for which there is no room are dropped and counted. (zerolog's
// diode knows how many it dropped only when its reader goes on, and complains on
// standard error, where it waits, when it is written to from two sides at once.)
type logQueue struct {
	out     io.Writer
	dropped func(lines uint64) // is told when lines are written again; may be nil

	mu      sync.Mutex // guards what follows
	pending []byte     // whole lines
	closed  bool
	counts  logCounts
	told    uint64 // of the dropped

	some   chan struct{} // there is something to do
	pieces chan struct{} // one was written
	done   chan struct{} // closed when all is written after close
}

// logCounts counts lines.
type logCounts struct{ written, dropped uint64 }

func newLogQueue(out io.Writer) *logQueue {
	return &logQueue{out: out, some: make(chan struct{}, 1), pieces: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write takes one line, or drops it. It never fails: nobody could be told.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.pending)+len(line) > maxUnlogged {
		q.counts.dropped++
	} else {
		q.pending = append(q.pending, line...)
	}
	q.mu.Unlock()
	ring(q.some)
	return len(line), nil
}

// count tells how many lines were written and dropped so far.
func (q *logQueue) count() logCounts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts
}

// run writes what there is until close.
func (q *logQueue) run() {
	defer close(q.done)
	var lines []byte
	for closed := false; !closed; {
		<-q.some
		q.mu.Lock()
		lines, q.pending, closed = q.pending, lines[:0], q.closed
		q.mu.Unlock()
		for rest := lines; len(rest) > 0; {
			var piece []byte
			piece, rest = cutPiece(rest)
			_, err := q.out.Write(piece)
			q.wrote(bytes.Count(piece, []byte{'\n'}), err)
		}
		if !closed && q.dropped != nil {
			q.tellDropped()
		}
	}
}

// cutPiece cuts off as many lines as are to be written at once.
func cutPiece(lines []byte) (piece, rest []byte) {
	n := bytes.LastIndexByte(lines[:min(len(lines), maxLogPiece)], '\n') + 1
	if n == 0 {
		n = bytes.IndexByte(lines, '\n') + 1
	}
	return lines[:n], lines[n:]
}

func (q *logQueue) wrote(lines int, err error) {
	q.mu.Lock()
	if err == nil {
		q.counts.written += uint64(lines)
	} else {
		q.counts.dropped += uint64(lines)
		q.told += uint64(lines) // who has gone is not to be told
	}
	q.mu.Unlock()
	ring(q.pieces)
}

func (q *logQueue) tellDropped() {
	q.mu.Lock()
	missing := q.counts.dropped - q.told
	q.told = q.counts.dropped
	q.mu.Unlock()
	if missing > 0 {
		q.dropped(missing)
	}
}

// close returns when all lines are written, or when nobody has read any for a while.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	ring(q.some)
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	for {
		select {
		case <-q.done:
			return
		case <-q.pieces:
			patience.Reset(logPatience)
		case <-patience.C:
			return
		}
	}
}

// ring wakes the goroutine that waits, unless it was rung before.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
