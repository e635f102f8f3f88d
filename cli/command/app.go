package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// An App is the program that runs a command. All fields but Signals have to be set.
type App struct {
	Stdout, Stderr io.Writer
	Signals        <-chan os.Signal // all but SIGHUP end a command that would run on
	Version        string           // the answer to "lockcached version"
	ServerFlags    []argv.Flag      // flags that a command line may have, too
	CheckConfig    func(path string) (faults []string)
	ServerHelp     func() error // prints the server's help
}

// print writes a document as JSON, or the text.
func (a *App) print(asJSON bool, document any, text func() string) error {
	if !asJSON {
		return exit.Print(a.Stdout, text())
	}
	b, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return exit.Print(a.Stdout, string(b)+"\n")
}

// complain reports the servers that did not answer; the answers of the others are printed all the
// same. It returns the error that the command ends with, or nil.
func (a *App) complain(answers []answer) error {
	failed := false
	for _, x := range answers {
		if x.err != nil {
			failed = true
			fmt.Fprintf(a.Stderr, "lockcached: %s: %v\n", cmp.Or(x.name, x.server), x.err)
		}
	}
	if failed {
		return exit.With(exit.Failed, nil)
	}
	return nil
}

// columns returns the width of the terminal in characters; 0 if the standard output is no terminal.
func (a *App) columns() int {
	screen, ok := a.Stdout.(*os.File)
	if !ok || !term.Is(screen) {
		return 0
	}
	columns, _ := terminalSize(screen)
	return columns
}
