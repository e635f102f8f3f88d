package cli

import (
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
)

// The values of --log-format.
const (
	formatAuto    = "auto"
	formatJSON    = "json"
	formatConsole = "console"
)

var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// newLogger writes lines for machines, or for people when w is a terminal.
func newLogger(w io.Writer, format string, level zerolog.Level) zerolog.Logger {
	terminal := isTerminal(w)
	if format == formatConsole || format == formatAuto && terminal {
		w = zerolog.ConsoleWriter{
			Out: w, NoColor: !terminal, TimeFormat: "15:04:05.000",
			FieldsOrder: []string{"listen"}, FormatPrepare: plainLists,
		}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
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

// startLog is newLogger for a log that waits for nobody to read it, until the queue is
// closed.
func startLog(w io.Writer, format string, level zerolog.Level) (zerolog.Logger, *logQueue) {
	queue := newLogQueue(w)
	log := newLogger(queue, format, level)
	queue.dropped = func(n uint64) {
		log.Warn().Uint64("dropped", n).Msg("log lines were dropped: nobody read them")
	}
	go queue.run()
	return log, queue
}

func isTerminal(w io.Writer) bool {
	if queue, ok := w.(*logQueue); ok {
		w = queue.out
	}
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
