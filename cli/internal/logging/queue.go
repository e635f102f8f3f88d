package logging

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// maxUnlogged is how many bytes of log lines may wait for the reader. That is some 5,000
	// lines: a reader that is restarted misses nothing.
	maxUnlogged = 1 << 20
	// maxLogPiece is how much is written at a time, in whole lines: a piece of this size is
	// not mixed with the lines of other writers to the same pipe (PIPE_BUF).
	maxLogPiece = 4096
	// logPatience is how long Close waits for the reader to read more of what is left.
	logPatience = 2 * time.Second
)

// A Queue is a writer of log lines that never waits for their reader: a full pipe, or a
// terminal that was stopped, must not stop the locks. A goroutine writes the lines; when
// there is no room for more, new ones are dropped and counted. (zerolog's diode learns how
// many it dropped only when its reader goes on; and when two goroutines write to it at
// once, it complains on standard error, and waits there.)
type Queue struct {
	out     io.Writer
	dropped func(lines uint64) // called when lines are written again; may be nil

	mu      sync.Mutex // guards what follows
	pending []byte     // whole lines
	closed  bool
	counts  counts
	told    uint64 // dropped lines that were reported

	warnings warnings // of the Loggers that write here

	some   chan struct{} // rung when there is something to do
	pieces chan struct{} // rung when a piece was written
	done   chan struct{} // closed when all is written after Close
}

// counts are numbers of lines.
type counts struct{ written, dropped uint64 }

// NewQueue returns a queue whose lines are written to out until Close.
func NewQueue(out io.Writer) *Queue {
	q := newQueue(out)
	go q.run()
	return q
}

func newQueue(out io.Writer) *Queue {
	return &Queue{out: out, some: make(chan struct{}, 1), pieces: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write takes one line, or drops it. It never fails: there is nowhere to report that.
func (q *Queue) Write(line []byte) (int, error) {
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

// Counts returns how many lines were written and dropped so far.
func (q *Queue) Counts() (written, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts.written, q.counts.dropped
}

// run writes lines until Close.
func (q *Queue) run() {
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
			q.reportDropped()
		}
	}
}

// cutPiece cuts off as many lines as are written at once.
func cutPiece(lines []byte) (piece, rest []byte) {
	n := bytes.LastIndexByte(lines[:min(len(lines), maxLogPiece)], '\n') + 1
	if n == 0 {
		n = bytes.IndexByte(lines, '\n') + 1
	}
	return lines[:n], lines[n:]
}

func (q *Queue) wrote(lines int, err error) {
	q.mu.Lock()
	if err == nil {
		q.counts.written += uint64(lines)
	} else {
		q.counts.dropped += uint64(lines)
		q.told += uint64(lines) // the reader has gone: there is nobody to report it to
	}
	q.mu.Unlock()
	ring(q.pieces)
}

func (q *Queue) reportDropped() {
	q.mu.Lock()
	missing := q.counts.dropped - q.told
	q.told = q.counts.dropped
	q.mu.Unlock()
	if missing > 0 {
		q.dropped(missing)
	}
}

// Close returns when all lines are written, or when nobody has read any for 2 seconds. Lines
// that come later are dropped.
func (q *Queue) Close() {
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
