package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	urfave "github.com/urfave/cli/v2"
)

const name = "experiment"

// Exit codes besides 0, the same as those of lockcached itself.
const (
	exitFailed  = 1
	exitRefused = 2 // the command line is wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A misuse is a flag that makes no sense: which one, and what would be right.
type misuse struct{ where, why string }

func (m misuse) Error() string { return m.where + ": " + m.why }

// command runs the experiment that the arguments describe, at most until ctx is done,
// and returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var err error
	if len(args) > 0 && args[0] == stampedeName {
		err = stampedeCommand(ctx, args[1:], stdout, stderr)
	} else {
		act := func(c *urfave.Context) error { return experiment(c, stdout, stderr) }
		err = newApp(allFlags(), act, helpText(), stdout).RunContext(ctx, append([]string{name}, args...))
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if _, ok := errors.AsType[misuse](err); ok {
		return exitRefused
	}
	return exitFailed
}

func newApp(flags []urfave.Flag, act urfave.ActionFunc, help string, stdout io.Writer) *urfave.App {
	return &urfave.App{
		Name:                  name,
		Flags:                 flags,
		Action:                act,
		CustomAppHelpTemplate: help,
		HideHelpCommand:       true,
		HideVersion:           true,
		Writer:                stdout,
		ErrWriter:             io.Discard, // what it would say is in the error
		OnUsageError:          func(_ *urfave.Context, err error, _ bool) error { return misused(err) },
		ExitErrHandler:        func(*urfave.Context, error) {},
	}
}

// experiment does what the flags say.
func experiment(ctx *urfave.Context, stdout, stderr io.Writer) error {
	c, err := parseFlags(ctx)
	if err != nil {
		return err
	}
	return Run(ctx.Context, c, outputOf(ctx, stdout, stderr))
}

func outputOf(ctx *urfave.Context, stdout, stderr io.Writer) Output {
	out := Output{Report: stdout, Notes: stderr}
	if ctx.Bool("progress") || isTerminal(stderr) {
		out.Progress = func(status string) { fmt.Fprintf(stderr, "\r\x1b[K%s", status) } // overwrites the line
	}
	return out
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// misused turns what urfave/cli says about a command line into our words.
func misused(err error) error {
	text := err.Error()
	if flag, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return misuse{"--" + strings.TrimPrefix(flag, "-"), "unknown flag; experiment -h lists those there are"}
	}
	if flag, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return misuse{"--" + strings.TrimPrefix(flag, "-"), "needs a value"}
	}
	var value, flag string
	if _, scanned := fmt.Sscanf(text, "invalid boolean value %q for -%s", &value, &flag); scanned == nil {
		return misuse{"--" + strings.TrimSuffix(flag, ":") + "=" + value, "takes no value"}
	}
	return misuse{name, text}
}
