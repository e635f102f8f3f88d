package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/server"
)

// The first line of -h and -V. The test suites of clients start the server under the name
// memcached, and read memcached's name and version there.
const (
	versionLine   = "lockcached " + server.Release + " (speaks memcached " + server.Version + ")"
	memcachedLine = "memcached " + server.Version + " (lockcached " + server.Release + ")"
)

// Main runs a command line and returns the exit code. args begin with the program's name. Main
// is for the whole process: it receives signals and ignores SIGPIPE.
func Main(args []string, stdout, stderr io.Writer) int {
	// The default format has no fractions of a second, and logs about locks are read for those.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"

	if c, _, _ := find(args); c != nil && c.OwnsSignals() {
		return Run(args, stdout, stderr, nil)
	}
	// Room for the signal that asks to stop and the one that insists.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A log pipe whose reader died must not take the locks with it.
	signal.Ignore(syscall.SIGPIPE)
	// By default zerolog reports on standard error that it could not write to standard error.
	zerolog.ErrorHandler = func(error) {} //nolint:reassign // it exists for that

	return Run(args, stdout, stderr, signals)
}

// Run is Main for a given source of signals, such as a test's. It does not ignore SIGPIPE. A
// server still sets the process's limits of files and memory and, with -u, its user.
func Run(args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	s := &daemon.Process{
		Args: args, Stdout: stdout, Stderr: stderr, Signals: signals,
		Version: versionLine, HelpNotes: command.Overview(), Warnings: unknownVariables,
	}
	if isMemcached(args[0]) {
		s.AsMemcached, s.Version, s.HelpNotes = true, memcachedLine, ""
	}
	err := run(args, s)
	if !exit.IsSilent(err) && !s.ReportFailure(err) {
		say(stderr, err)
	}
	return exit.Code(err)
}

// run runs the command that the first word names, or else the server.
func run(args []string, s *daemon.Process) error {
	c, rest, err := find(args)
	if err != nil {
		return err
	}
	if c == nil {
		return serve(s, args[1:])
	}
	for _, warning := range unknownVariables() { // the server logs the same
		fmt.Fprintf(s.Stderr, "lockcached: warning: %s\n", warning)
	}
	return c.Run(&command.App{
		Stdout: s.Stdout, Stderr: s.Stderr, Signals: s.Signals, Version: versionLine, ServerFlags: daemon.Flags(),
		CheckConfig: daemon.CheckConfig,
		ServerHelp:  func() error { return serve(s, []string{"--help"}) },
	}, rest)
}

// find returns the command that a command line names, or nil, and the words for that command. A
// program started under memcached's name, as by a distribution's start-up files, is used as a
// memcached, which has no commands.
func find(args []string) (c *command.Command, rest []string, err error) {
	if isMemcached(args[0]) {
		return nil, nil, nil
	}
	return command.Find(args[1:], daemon.Flags())
}

func isMemcached(program string) bool {
	return strings.HasPrefix(filepath.Base(program), "memcached")
}

// serve runs the server, or prints what flags such as --version ask for.
func serve(s *daemon.Process, words []string) error {
	err := s.Run(words)
	if unknown, ok := errors.AsType[argv.Unknown](err); ok {
		return command.UnknownServerFlag(unknown.Flag, daemon.Flags())
	}
	return err
}

// say prints why the process ends. The process ends even if nobody reads that.
func say(stderr io.Writer, err error) {
	queue := logging.NewQueue(stderr)
	defer queue.Close()
	fmt.Fprintf(queue, "lockcached: %v\n", err)
}
