package command

import (
	"fmt"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/exit"
)

const configNotes = `
The file is TOML, with the server's flags by their long names; see docs/configuration.md. Each fault
is one line, FILE:LINE: what is wrong, and the exit code is 2. Certificates and passwords are read, too.
Variables do not count.
`

// A configCommand is "lockcached config".
type configCommand struct{}

func newConfig() task { return configCommand{} }

func (configCommand) options() []option { return nil }

func (configCommand) run(a *App, args arguments) error {
	words := args.all()
	switch {
	case len(words) == 0 || words[0] != "check":
		return exit.Refuse(strings.TrimSpace("config "+strings.Join(words, " ")), "should be lockcached config check FILE")
	case len(words) != 2:
		return exit.Refuse("config check", "needs one file: lockcached config check FILE")
	}
	faults := a.CheckConfig(words[1])
	if len(faults) == 0 {
		return exit.Print(a.Stdout, words[1]+": no faults\n")
	}
	for _, fault := range faults {
		fmt.Fprintln(a.Stderr, fault)
	}
	return exit.With(exit.Refused, nil)
}
