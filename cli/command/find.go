package command

import (
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// Find returns the command that the words of a command line name, and the other words: flags may
// stand in front of the command. Without a word that could be a command it returns nil, and the
// command line is the server's. An error refuses a word that should have been a command.
func Find(words []string, serverFlags []argv.Flag) (c *Command, rest []string, err error) {
	i := firstWord(words, serverFlags)
	if i < 0 {
		return nil, nil, nil
	}
	if c = findCommand(words[i]); c == nil {
		return nil, nil, noCommand(words[i])
	}
	return c, slices.Concat(words[:i], words[i+1:]), nil
}

// firstWord is the index of the first word that is neither a flag nor a flag's value; -1
// if there is none, or if a flag in front of it is unknown.
func firstWord(words []string, serverFlags []argv.Flag) int {
	var flags *argv.Flags // looked up only if there are any
	for i := 0; i < len(words); i++ {
		if word := words[i]; word == "--" {
			return -1
		} else if !argv.IsFlag(word) {
			return i
		}
		if flags == nil {
			flags = allFlags(serverFlags)
		}
		switch flags.Find(words[i]) {
		case argv.NotThere:
			return -1
		case argv.WithValue:
			i++
		case argv.PerhapsWithValue:
			if i+1 < len(words) && findCommand(words[i+1]) == nil {
				i++
			}
		}
	}
	return -1
}

// allFlags are the flags of the server and of all commands, for as long as it is not known whose
// command line it is.
func allFlags(serverFlags []argv.Flag) *argv.Flags {
	flags := argv.NewFlags(serverFlags)
	for _, c := range allCommands() {
		flags.Add(spellings(c.task().options()))
	}
	return flags
}

// findCommand returns the command of that name, or nil.
func findCommand(name string) *Command {
	for _, c := range allCommands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

// noCommand refuses a word that should have been a command.
func noCommand(word string) error {
	if slices.Contains([]string{"serve", "server", "start"}, word) {
		return exit.Refuse(word, "there is no such command; lockcached serves when it is given none")
	}
	return exit.Refuse(term.Printable(word), "there is no such command"+argv.Suggest(nearestCommand(word))+"; lockcached -h lists them")
}

// otherNames are those that commands have in other programs.
var otherNames = map[string]string{
	"unlock": "release", "free": "release", "list": "ls", "info": "show", "watch": "top", "run": "lock", "exec": "lock",
}

func nearestCommand(word string) string {
	if name := otherNames[word]; name != "" {
		return name
	}
	var names []string
	for _, c := range allCommands() {
		names = append(names, c.name)
	}
	return argv.Nearest(word, names, max(1, len(word)/2))
}

// unknownFlag refuses a flag that the command does not have, and says where it belongs or which
// flag is like it.
func (c *Command) unknownFlag(flag string, own, server []argv.Flag) error {
	help := "lockcached " + c.name + " -h"
	if argv.NewFlags(server).Find(flag) != argv.NotThere {
		return exit.Refuse(flag, "is a flag of the server; "+help+" lists those of lockcached "+c.name)
	}
	return exit.Refuse(flag, "unknown flag"+suggestFlag(flag, own)+"; "+help+" lists those there are")
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
