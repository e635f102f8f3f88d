// Package cli is the command line: it turns flags and environment variables
// into the Configs of the packages below, and runs the server until a signal
// ends it, or one of the commands that ask servers for something. Only this package
// knows flags, signals, terminals and files such as the pid file.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/server"
)

// The first line of -h and -V. Client test suites, which start the server under the
// name memcached, look there for memcached's name and version.
const (
	versionLine   = "lockcached " + server.Release + " (speaks memcached " + server.Version + ")"
	memcachedLine = "memcached " + server.Version + " (lockcached " + server.Release + ")"
)

// Main runs the command line args, the program's name included, and returns
// the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	// The default has no fractions of a second, which are what logs about
	// locks are read for.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"

	if c, _ := route(args); c != nil && c.ownSignals {
		return run(args, stdout, stderr, nil)
	}
	// Room for the signal that asks to stop and the one that means it.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A log pipe whose reader died must not take the locks with it.
	signal.Ignore(syscall.SIGPIPE)
	// By default it writes to standard error what could not be written there.
	zerolog.ErrorHandler = func(error) {}

	return run(args, stdout, stderr, signals)
}

// run is Main for a given source of signals.
func run(args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	a := &app{stdout: stdout, stderr: stderr, signals: signals, args: args, asMemcached: isMemcached(args[0]), parent: openParent()}
	err := a.run(args)
	if err == nil || errors.Is(err, errPipeClosed) {
		return 0
	}
	end, own := errors.AsType[failure](err)
	if !own || end.err != nil {
		a.report(err)
	}
	if _, ok := errors.AsType[refusal](err); ok {
		return exitRefused
	}
	if own {
		return end.code
	}
	return exitFailed
}

// report says what went wrong, where somebody reads it.
func (a *app) report(err error) {
	if a.parent != nil {
		fmt.Fprint(a.parent, err)
		return
	}
	say(a.stderr, err)
}

// say prints why the process ends, which it does also if nobody reads that.
func say(stderr io.Writer, err error) {
	queue := newLogQueue(stderr)
	go queue.run()
	fmt.Fprintf(queue, "lockcached: %v\n", err)
	queue.close()
}

// A failure has an exit code of its own. Without an error there is nothing to say
// that has not been said.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return fmt.Sprint(f.err) }

func (f failure) Unwrap() error { return f.err }

// A refusal is a flag or variable that makes no sense: where it stands, and
// why, which says what would be right.
type refusal struct{ where, why string }

func (r refusal) Error() string { return r.where + ": " + r.why }

// An app is one run of the command line.
type app struct {
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	args           []string // the command line, the program's name included
	asMemcached    bool     // started under that name
	parent         *os.File // of a server in the background, until it serves
}

// run does what the command line says; its first word is the program's name.
func (a *app) run(args []string) error {
	if c, rest := route(args); c != nil {
		a.warnOfVariables()
		return a.do(*c, rest)
	}
	return a.serverOrFlag(args[1:])
}

// serverOrFlag runs the server, or prints what flags such as --version ask for.
func (a *app) serverOrFlag(args []string) error {
	if i := firstWord(args); i >= 0 && !a.asMemcached {
		return noCommand(args[i])
	}
	named, rest, err := normalise(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 && !a.asMemcached {
		return refusal{shown(rest[0]), "belongs to no flag; lockcached -h lists them"} // it stands behind "--"
	}
	cmd := a.command(func(ctx *urfave.Context) error { return a.act(ctx, named, rest) })
	return cmd.Run(append([]string{cmd.Name}, named...))
}

// command is what urfave/cli needs to read normalised flags and the environment.
func (a *app) command(action urfave.ActionFunc) *urfave.App {
	return &urfave.App{
		Name:                  "lockcached",
		Flags:                 urfaveFlags(),
		Action:                action,
		CustomAppHelpTemplate: a.helpText(),
		HideHelpCommand:       true, // memcached has no commands, so "help" would be a stray word
		HideHelp:              true, // its flag is one for all servers in a process, and is written to
		HideVersion:           true, // its -v is memcached's --verbose
		Writer:                a.stdout,
		ErrWriter:             a.stderr,
		ExitErrHandler:        func(*urfave.Context, error) {}, // exit codes are ours to choose
	}
}

// act does what the flags say: print something, or serve.
func (a *app) act(ctx *urfave.Context, named, rest []string) error {
	if err := refuseAbsent(named); err != nil {
		return err
	}
	switch {
	case ctx.Bool("version"):
		return a.write(a.versionLine() + "\n")
	case ctx.Bool("license"):
		return a.write("lockcached is free software under the MIT License; see the file LICENSE.\n")
	}
	c, err := configure(ctx, named, rest)
	if err != nil {
		return err
	}
	if c.daemon && a.parent == nil {
		why := staysInForeground()
		if why == "" {
			return a.daemonise()
		}
		c.warn("-d: staying in the foreground: %s", why)
	}
	return a.serve(c)
}

// serve runs the server, with a log that waits for nobody to read it.
func (a *app) serve(c *config) error {
	log, queue := startLog(a.stderr, c.logFormat, c.level())
	defer queue.close()
	c.server.LogCounts = func() (written, dropped uint64) {
		n := queue.count()
		return n.written, n.dropped
	}
	return serve(c, log, a.signals, a.toldServing)
}

// refuseAbsent refuses the flags that nobody may take for granted, also to those
// who only ask for the version: from that some test suites learn what they can test.
func refuseAbsent(named []string) error {
	for _, arg := range named {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if f := byLong[name]; f.section == "" {
			return newConfig().apply(f, value, true)
		}
	}
	return nil
}
