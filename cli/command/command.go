package command

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/protocol"
)

// A Command is a first word of the command line that is no flag, and what follows from it.
type Command struct {
	name  string
	args  string // what may follow, in its help
	about string // one line, in the server's help
	notes string // the rest of its help
	// task makes what the command line configures and what then runs.
	task       func() task
	ownSignals bool
}

// OwnsSignals reports whether signals are the command's: whoever runs it receives none.
func (c *Command) OwnsSignals() bool { return c.ownSignals }

// A task is a command on its way.
type task interface {
	options() []option
	run(a *App, args arguments) error
}

// An option is a flag of a command.
type option struct {
	short    string // one letter, or ""
	long     string
	arg      string // what its value is called in the help; "" for a switch
	many     bool   // may be repeated, or given a comma-separated list
	counted  bool   // repeating it means more of it
	usage    string
	variable string                   // its environment variable; "" for none
	take     func(value string) error // of a switch: ""
}

// spelling is how the option is read and described.
func (o *option) spelling() argv.Flag {
	return argv.Flag{Short: o.short, Long: o.long, Arg: o.arg, Counted: o.counted}
}

func spellings(options []option) []argv.Flag {
	list := make([]argv.Flag, len(options))
	for i := range options {
		list[i] = options[i].spelling()
	}
	return list
}

// arguments are what the command line has beside flags.
type arguments struct {
	words  []string
	ended  bool     // by "--"
	behind []string // what stands behind that
}

// allCommands are those there are, in the order of the help.
func allCommands() []Command {
	return []Command{
		{name: "lock", args: "KEY [flags] -- COMMAND [ARG...]", about: "run a command while holding a lock",
			task: newLock, notes: lockNotes + exitNotes(), ownSignals: true},
		{name: "acquire", args: "KEY [flags]", about: "take a lock for a shell script, and print its token",
			task: newAcquire, notes: acquireNotes + exitNotes(), ownSignals: true},
		{name: "ls", args: "[PATTERN]", about: "list the locks that are held, waited for or closed", task: newList, notes: listNotes},
		{name: "show", args: "KEY", about: "tell all about one lock", task: newShow},
		{name: "release", args: "KEY --token <num> | --force", about: "end a hold", task: newRelease, notes: releaseNotes},
		{name: "top", args: "[PATTERN]", about: "watch the most wanted locks", task: newTop, notes: topNotes},
		{name: "stats", args: "[WORD...]", about: "print what a server counts", task: newStats, notes: statsNotes},
		{name: "ping", about: "see which servers answer, how fast, and what they are", task: newPing},
		{name: completionWord, args: "bash | zsh | fish", about: "print what makes a shell complete all this", task: newCompletion, notes: completionNotes},
		{name: "version", about: "print the version of this program", task: newVersion},
		{name: "help", args: "[COMMAND]", about: "print the help of a command", task: newHelp},
	}
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

func withHelp(options []option) []option {
	return append(options, option{short: "h", long: "help", usage: "print this help"})
}

// takeAll gives options their values: those of the command line, or else that of the variable.
// An empty variable counts as unset.
func takeAll(options []option, given []argv.Given) error {
	for i := range options {
		o := &options[i]
		isGiven := false
		for _, g := range given {
			if g.Name != o.long {
				continue
			}
			isGiven = true
			if v, err := o.takeEach(g.Value); err != nil {
				return exit.Refuse(strings.TrimSpace("--"+o.long+" "+v), err.Error())
			}
		}
		value := os.Getenv(o.variable)
		if isGiven || value == "" {
			continue
		}
		if v, err := o.takeEach(value); err != nil {
			return exit.Refuse(o.variable+"="+v, err.Error())
		}
	}
	return nil
}

// takeEach takes a value, or each of several. It returns the one that is wrong.
func (o *option) takeEach(value string) (string, error) {
	values := []string{value}
	if o.many {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		if err := o.take(v); err != nil {
			return v, err
		}
	}
	return "", nil
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
Without --tls... and --auth-file their variables count, $LOCKCACHED_CLIENT_TLS_CA and the like.
`

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Overview lists the commands, for the server's help.
func Overview() string {
	t := newTable()
	for _, c := range allCommands() {
		t.row("  lockcached "+c.name, c.about)
	}
	return "\nInstead of serving:\n" + t.String() + "\n\"lockcached help COMMAND\" says more about each.\n"
}

// all are the words on both sides of "--", for commands to which that means nothing.
func (args arguments) all() []string { return slices.Concat(args.words, args.behind) }

// wordless refuses what belongs to no flag.
func (args arguments) wordless(command string) error {
	if words := args.all(); len(words) > 0 {
		return exit.Refuse(words[0], "belongs to no flag; lockcached "+command+" -h lists them")
	}
	return nil
}

// key is the one key that a command is about.
func (args arguments) key(command string) (string, error) {
	words := args.all()
	switch {
	case len(words) == 0:
		return "", exit.Refuse(command, "needs the key of a lock: lockcached "+command+" KEY")
	case len(words) > 1:
		return "", exit.Refuse(words[1], "is one word too many: lockcached "+command+" takes one key")
	}
	return words[0], checkKey(words[0])
}

// checkKey refuses what memcached's protocol could not carry as a key.
func checkKey(key string) error {
	isBad := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if key == "" || len(key) > protocol.MaxKey || strings.ContainsFunc(key, isBad) {
		return exit.Refuse(fmt.Sprintf("key %q", key), fmt.Sprintf("should be 1 to %d bytes without spaces and control characters", protocol.MaxKey))
	}
	return nil
}
