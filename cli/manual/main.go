// Manual writes into a directory what packages have beside the program: the manual pages lockcached.1,
// of the commands, and lockcached.8, of the server, which say of them what -h says; and the scripts
// with which shells complete command lines.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/daemon"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manual DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for name, text := range map[string]string{
		"lockcached.1": commandPage(command.Pages()),
		"lockcached.8": serverPage(daemon.Sections()),

		"lockcached.bash": command.CompletionScript("bash"),
		"_lockcached":     command.CompletionScript("zsh"),
		"lockcached.fish": command.CompletionScript("fish"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // everybody may read them
			return err
		}
	}
	return nil
}
