package daemon

import (
	"io"

	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

// normalise reads a command line as memcached does, for urfave/cli, which reads it differently.
// It returns each flag as --name or --name=value, and apart from them the words that belong to no
// flag.
func normalise(words []string) (named, rest []string, err error) {
	line, err := argv.Parse(words, argv.NewFlags(Flags()))
	if err != nil {
		return nil, nil, err
	}
	for _, given := range line.Flags {
		switch f := byLong[given.Name]; {
		case f.set == nil:
			named = append(named, "--"+given.Name)
		case f.isSwitch():
			named = append(named, "--"+given.Name+"=true")
		default:
			named = append(named, "--"+given.Name+"="+given.Value)
		}
	}
	return named, append(line.Words, line.Behind...), nil
}

// readNormalised has urfave/cli read normalised flags and the environment, and print the help if
// that is asked for; otherwise it calls the action.
func readNormalised(named []string, stdout, stderr io.Writer, help string, action urfave.ActionFunc) error {
	app := &urfave.App{
		Name:                  "lockcached",
		Flags:                 urfaveFlags(),
		Action:                action,
		CustomAppHelpTemplate: help,
		HideHelpCommand:       true, // memcached has no commands, so "help" would be a stray word
		HideHelp:              true, // urfave/cli's own flag is shared by all Apps, and written to
		HideVersion:           true, // urfave/cli's -v is memcached's --verbose
		Writer:                stdout,
		ErrWriter:             stderr,
		ExitErrHandler:        func(*urfave.Context, error) {}, // exit codes are ours to choose
	}
	return app.Run(append([]string{app.Name}, named...))
}
