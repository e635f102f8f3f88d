package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// A Command is what the first word of a command line can name.
type Command struct {
	name  string
	args  string // what may follow its name, in its help
	about string // one line, in the server's help
	notes string // the rest of its help
	// task makes a task: its options read the command line, then it runs.
	task       func() task
	ownSignals bool
}

// OwnsSignals reports whether the command receives signals itself, so that its caller must not.
func (c *Command) OwnsSignals() bool { return c.ownSignals }

// A task is one run of a command.
type task interface {
	options() []option
	run(a *App, args arguments) error
}

// Run runs the command with the words of the command line other than its name. An error is one
// line to print, and has an exit code.
func (c *Command) Run(a *App, words []string) error {
	t := c.task()
	options := withHelp(t.options())
	line, err := argv.Parse(words, argv.NewFlags(spellings(options)))
	if unknown, ok := errors.AsType[argv.Unknown](err); ok {
		return c.unknownFlag(unknown.Flag, spellings(options), a.ServerFlags)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(line.Flags, func(g argv.Given) bool { return g.Name == "help" }) {
		return exit.Print(a.Stdout, c.help(options))
	}
	if err := takeAll(options, line.Flags); err != nil {
		return err
	}
	return t.run(a, arguments{line.Words, line.Ended, line.Behind})
}

// help is the answer to -h.
func (c *Command) help(options []option) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s.\n", strings.TrimSpace("lockcached "+c.name+" "+c.args), upperFirst(c.about))
	t := newTable()
	for i := range options {
		spelling := options[i].spelling()
		t.row("  "+spelling.Synopsis(), options[i].usage)
	}
	fmt.Fprintf(&b, "\n%s", t)
	if slices.ContainsFunc(options, func(o option) bool { return o.variable != "" }) {
		b.WriteString(variableNotes)
	}
	b.WriteString(c.notes)
	return b.String()
}

const variableNotes = `
If --tls... and --auth-file are not given, their variables count, such as $LOCKCACHED_CLIENT_TLS_CA.
`

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// unknownFlag refuses a flag that the command does not have, and says where it belongs or which
// flag is like it.
func (c *Command) unknownFlag(flag string, own, server []argv.Flag) error {
	help := "lockcached " + c.name + " -h"
	if argv.NewFlags(server).Find(flag) != argv.NotThere {
		return exit.Refuse(flag, "is a flag of the server; "+help+" lists those of lockcached "+c.name)
	}
	return exit.Refuse(flag, "unknown flag"+suggestFlag(flag, own)+"; "+help+" lists those there are")
}

// suggestFlag suggests one of the flags for a long flag that was mistyped.
func suggestFlag(flag string, list []argv.Flag) string {
	name, isLong := strings.CutPrefix(flag, "--")
	if !isLong {
		return ""
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Long)
	}
	slices.Sort(names)
	near := argv.Nearest(name, slices.Compact(names), max(1, len(name)/3))
	if near == "" {
		return ""
	}
	return argv.Suggest("--" + near)
}
