package command

import (
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// allCommands are the commands, in the order of the help.
func allCommands() commands {
	return commands{
		{name: "lock", args: "KEY [flags] -- COMMAND [ARG...]", about: "run a command while holding a lock",
			task: newLock, notes: lockNotes + exitNotes(), ownSignals: true},
		{name: "acquire", args: "KEY [flags]", about: "take a lock for a shell script, and print its token",
			task: newAcquire, notes: acquireNotes + exitNotes(), ownSignals: true},
		{name: "ls", args: "[PATTERN]", about: "list the locks that are held, waited for or closed", task: newList, notes: listNotes},
		{name: "show", args: "KEY", about: "print all that is known about one lock", task: newShow},
		{name: "release", args: "KEY --token <num> | --force", about: "end a hold", task: newRelease, notes: releaseNotes},
		{name: "top", args: "[PATTERN]", about: "watch the most wanted locks", task: newTop, notes: topNotes},
		{name: "stats", args: "[WORD...]", about: "print what a server counts", task: newStats, notes: statsNotes},
		{name: "ping", about: "see which servers answer, how fast, and what they are", task: newPing},
		{name: "cluster", args: "status | add NAME=HOST:PORT | remove NAME | backup FILE | restore FILE", about: "look at a cluster, and change of which nodes it consists", task: newCluster, notes: clusterNotes},
		{name: "config", args: "check FILE", about: "check a configuration file of the server", task: newConfig, notes: configNotes},
		{name: completionWord, args: "bash | zsh | fish", about: "print a script that completes commands and keys in a shell", task: func() task { return &completionCommand{commands: allCommands()} }, notes: completionNotes},
		{name: "version", about: "print the version of this program", task: newVersion},
		{name: "help", args: "[COMMAND]", about: "print the help of a command", task: func() task { return &helpCommand{commands: allCommands()} }},
	}
}

// Find returns the command that the words of a command line name, and the other words. Flags may
// stand in front of the command. If no word could be a command, Find returns nil: the command line
// is the server's. An error refuses a word that should have been a command.
func Find(words []string, serverFlags []argv.Flag) (c *Command, rest []string, err error) {
	return allCommands().find(words, serverFlags)
}

// UnknownServerFlag refuses a flag that the server does not have, and says which command has it or
// which flag is like it.
func UnknownServerFlag(flag string, server []argv.Flag) error {
	const help = "lockcached -h"
	near := slices.Clone(server)
	for _, c := range allCommands() {
		own := spellings(c.task().options())
		if argv.NewFlags(own).Long(strings.TrimPrefix(flag, "--")) != nil {
			return exit.Refuse(flag, "belongs to a command, as in lockcached "+c.name+" "+flag+"; "+help+" lists commands and the server's flags")
		}
		near = append(near, own...)
	}
	return exit.Refuse(flag, "unknown flag"+suggestFlag(flag, near)+"; "+help+" lists those there are")
}

// Overview lists the commands, for the server's help.
func Overview() string {
	t := newTable()
	for _, c := range allCommands() {
		t.row("  lockcached "+c.name, c.about)
	}
	return "\nInstead of serving:\n" + t.String() + "\n\"lockcached help COMMAND\" says more about each.\n"
}

// Variables are the environment variables that mean something to commands.
func Variables() []string {
	names := []string{keyEnv, tokenEnv, heldEnv}
	for _, c := range allCommands() {
		for _, o := range c.task().options() {
			if o.variable != "" {
				names = append(names, o.variable)
			}
		}
	}
	return names
}
