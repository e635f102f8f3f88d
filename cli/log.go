package cli

import (
	"io"
	"os"

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
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
