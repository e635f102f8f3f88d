package daemon

import (
	"io"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// A Process is one run of the server. All fields have to be set unless they say otherwise.
type Process struct {
	Args           []string // the command line, the program's name included, for -d to start again
	Stdout, Stderr io.Writer
	Signals        <-chan os.Signal // SIGHUP reloads files, others stop the server; nil for none

	Version     string          // the answer to -V, and the first line of the answer to -h
	HelpNotes   string          // what -h says after the flags; may be ""
	AsMemcached bool            // words that belong to no flag are ignored, as by memcached
	Warnings    func() []string // what else to log at the start

	parent *os.File // the pipe to the process that started us with -d, until we serve; or nil
}

// Run does what the flags ask: it prints something, or serves until the end. words are the
// command line without the program's name. Run is called once.
func (p *Process) Run(words []string) error {
	p.parent = openParent()
	named, rest, err := normalise(words)
	if err != nil {
		return err
	}
	if len(rest) > 0 && !p.AsMemcached {
		return exit.Refuse(term.Printable(rest[0]), "belongs to no flag; lockcached -h lists them") // it stands behind "--"
	}
	return readNormalised(named, p.Stdout, p.Stderr, p.help(), func(ctx *urfave.Context) error { return p.act(ctx, named, rest) })
}

// act does what the flags say: print something, or serve.
func (p *Process) act(ctx *urfave.Context, named, rest []string) error {
	if err := refuseAbsent(named); err != nil {
		return err
	}
	switch {
	case ctx.Bool("version"):
		return exit.Print(p.Stdout, p.Version+"\n")
	case ctx.Bool("license"):
		return exit.Print(p.Stdout, "lockcached is free software under the MIT License; see the file LICENSE.\n")
	}
	c, err := configure(ctx, named, rest, p.Warnings)
	if err != nil {
		return err
	}
	if c.daemon && p.parent == nil {
		why := staysInForeground()
		if why == "" {
			return p.daemonise()
		}
		c.warn("-d: staying in the foreground: %s", why)
	}
	return p.serve(c)
}

// refuseAbsent refuses the flags of features that do not exist here, even beside --version: some
// test suites learn from that what they can test.
func refuseAbsent(named []string) error {
	for _, arg := range named {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if f := byLong[name]; f.section == "" {
			return newConfig().apply(f, f.fromLine(value))
		}
	}
	return nil
}

// serve runs the server, with a log that never waits for its reader.
func (p *Process) serve(c *config) error {
	level := logging.NewLevel(c.level())
	log, queue := logging.Start(p.Stderr, c.logFormat, level)
	defer queue.Close()
	c.server.LogCounts = queue.Counts
	c.cluster.beforeExit = queue.Close
	return serve(c, log, queue, level, p.Signals, p.reportServing)
}
