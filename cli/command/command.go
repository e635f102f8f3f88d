package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/protocol"
)

// A command is what the first word of the command line can be that is no flag.
type command struct {
	name  string
	args  string // what may follow, in its help
	about string // one line, in the server's help
	notes string // what else its help says
	// task makes what the command line configures and what then runs.
	task func() task
	// ownSignals leaves signals to the command.
	ownSignals bool
}

// A task is a command on its way.
type task interface {
	options() []option
	run(a *app, args arguments) error
}

// An option is a flag of a command, with what takes its value; a switch is given "".
type option struct {
	flag
	variable string // that stands for it in the environment; "" for none
	take     func(value string) error
}

// arguments are what the command line has beside flags.
type arguments struct {
	words  []string
	ended  bool     // by "--"
	behind []string // what stands behind that
}

// allCommands are those there are, in the order of the help.
func allCommands() []command {
	return []command{
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

// do runs a command.
func (a *app) do(c command, args []string) error {
	t := c.task()
	options := withHelp(t.options())
	argv := argv{command: c.name, unread: args}
	argv.byShort, argv.byLong = indexOptions(options)
	if err := argv.read(); err != nil {
		return err
	}
	if slices.Contains(argv.named, "--help") {
		return a.write(c.help(options))
	}
	if err := takeAll(options, argv.named); err != nil {
		return err
	}
	return t.run(a, arguments{argv.rest, argv.ended, argv.behind})
}

func withHelp(options []option) []option {
	return append(options, option{flag: flag{short: "h", long: "help", usage: "print this help"}})
}

func indexOptions(options []option) (byShort, byLong map[string]*flag) {
	byShort, byLong = make(map[string]*flag), make(map[string]*flag)
	for i := range options {
		f := &options[i].flag
		byLong[f.long] = f
		if f.short != "" {
			byShort[f.short] = f
		}
	}
	return byShort, byLong
}

// takeAll gives options their values: those of the command line, named --name=value, and
// for want of one that of the variable. An empty variable is as good as none.
func takeAll(options []option, named []string) error {
	for i := range options {
		o := &options[i]
		given := false
		for _, arg := range named {
			name, value, _ := strings.Cut(arg[2:], "=")
			if name != o.long {
				continue
			}
			given = true
			if v, err := o.takeEach(value); err != nil {
				return refusal{strings.TrimSpace("--" + name + " " + v), err.Error()}
			}
		}
		value := os.Getenv(o.variable)
		if given || value == "" {
			continue
		}
		if v, err := o.takeEach(value); err != nil {
			return refusal{o.variable + "=" + v, err.Error()}
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
func (c *command) help(options []option) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s.\n", strings.TrimSpace("lockcached "+c.name+" "+c.args), upperFirst(c.about))
	t := newTable()
	for i := range options {
		t.row("  "+options[i].synopsis(), options[i].usage)
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

// commandNotes is what the server's help says of commands.
func commandNotes() string {
	t := newTable()
	for _, c := range allCommands() {
		t.row("  lockcached "+c.name, c.about)
	}
	return "\nInstead of serving:\n" + t.String() + "\n\"lockcached help COMMAND\" says more about each.\n"
}

// all are the words on both sides of "--", to those whom it means nothing.
func (args arguments) all() []string { return slices.Concat(args.words, args.behind) }

// wordless refuses what belongs to no flag.
func (args arguments) wordless(command string) error {
	if words := args.all(); len(words) > 0 {
		return refusal{words[0], "belongs to no flag; lockcached " + command + " -h lists them"}
	}
	return nil
}

// key is the one key that a command is about.
func (args arguments) key(command string) (string, error) {
	words := args.all()
	switch {
	case len(words) == 0:
		return "", refusal{command, "needs the key of a lock: lockcached " + command + " KEY"}
	case len(words) > 1:
		return "", refusal{words[1], "is one word too many: lockcached " + command + " takes one key"}
	}
	return words[0], checkKey(words[0])
}

// checkKey refuses what memcached's protocol could not carry as a key.
func checkKey(key string) error {
	isBad := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if key == "" || len(key) > protocol.MaxKey || strings.ContainsFunc(key, isBad) {
		return refusal{fmt.Sprintf("key %q", key), fmt.Sprintf("should be 1 to %d bytes without spaces and control characters", protocol.MaxKey)}
	}
	return nil
}

// A helping is "lockcached help".
type helping struct{}

func newHelp() task { return helping{} }

func (helping) options() []option { return nil }

func (helping) run(a *app, args arguments) error {
	words := args.all()
	if len(words) == 0 {
		return a.serverOrFlag([]string{"--help"})
	}
	c := findCommand(words[0])
	if c == nil {
		return noCommand(words[0])
	}
	return a.do(*c, []string{"--help"})
}
