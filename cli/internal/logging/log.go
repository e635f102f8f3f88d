// Package logging writes the log, for people on a terminal and for machines elsewhere, and never
// waits for a reader: lines that nobody reads are dropped and counted. It does not decide what is
// worth a line.
package logging

import (
	"io"
	"strings"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// The values of --log-format.
const (
	Auto    = "auto" // Console on a terminal, JSON elsewhere
	JSON    = "json"
	Console = "console"
)

// Levels are the values of --log-level.
var Levels = []string{"trace", "debug", "info", "warn", "error"}

// New returns a logger that writes lines to w in one of the formats, and waits until w takes them.
func New(w io.Writer, format string, level *Level) zerolog.Logger {
	terminal := isTerminal(w)
	var kept *warnings
	if queue, ok := w.(*Queue); ok {
		kept = &queue.warnings
	}
	if format == Console || format == Auto && terminal {
		w = zerolog.ConsoleWriter{
			Out: w, NoColor: !terminal, TimeFormat: "15:04:05.000",
			FieldsOrder: []string{"listen"}, FormatPrepare: plainLists,
		}
	}
	return zerolog.New(leveled{w, level, kept}).Level(zerolog.TraceLevel).Sample(level).With().Timestamp().Logger()
}

// plainLists shows lists of words as people write them, without brackets and quotes.
func plainLists(event map[string]any) error {
	for name, value := range event {
		if list, ok := value.([]any); ok {
			if words, ok := wordsOf(list); ok {
				event[name] = strings.Join(words, ",")
			}
		}
	}
	return nil
}

// wordsOf returns the elements of a list if all are text.
func wordsOf(list []any) (words []string, ok bool) {
	for _, element := range list {
		word, isText := element.(string)
		if !isText {
			return nil, false
		}
		words = append(words, word)
	}
	return words, true
}

// Start is New for a log that never waits. Close the queue at the end.
func Start(w io.Writer, format string, level *Level) (zerolog.Logger, *Queue) {
	queue := newQueue(w)
	log := New(queue, format, level)
	queue.dropped = func(n uint64) {
		log.Warn().Uint64("dropped", n).Msg("log lines were dropped: nobody read them")
	}
	go queue.run()
	return log, queue
}

func isTerminal(w io.Writer) bool {
	if queue, ok := w.(*Queue); ok {
		w = queue.out
	}
	return term.Is(w)
}
