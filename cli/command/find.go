package command

import (
	"slices"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// commands are the commands that there are.
type commands []Command

// find returns the command that the words of a command line name, and the other words. It is Find
// for these commands.
func (l commands) find(words []string, serverFlags []argv.Flag) (c *Command, rest []string, err error) {
	i := l.firstWord(words, serverFlags)
	if i < 0 {
		return nil, nil, nil
	}
	if c = l.named(words[i]); c == nil {
		return nil, nil, l.refuse(words[i])
	}
	return c, slices.Concat(words[:i], words[i+1:]), nil
}

// firstWord is the index of the first word that is neither a flag nor a flag's value; -1
// if there is none, or if a flag in front of it is unknown.
func (l commands) firstWord(words []string, serverFlags []argv.Flag) int {
	var flags *argv.Flags // made only if there are any
	for i := 0; i < len(words); i++ {
		if word := words[i]; word == "--" {
			return -1
		} else if !argv.IsFlag(word) {
			return i
		}
		if flags == nil {
			flags = l.allFlags(serverFlags)
		}
		switch flags.Find(words[i]) {
		case argv.NotThere:
			return -1
		case argv.WithValue:
			i++
		case argv.PerhapsWithValue:
			if i+1 < len(words) && l.named(words[i+1]) == nil {
				i++
			}
		}
	}
	return -1
}

// allFlags returns the flags of the server and of all commands. It is used while it is not known
// whose command line this is.
func (l commands) allFlags(serverFlags []argv.Flag) *argv.Flags {
	flags := argv.NewFlags(serverFlags)
	for _, c := range l {
		flags.Add(spellings(c.task().options()))
	}
	return flags
}

// named returns the command of that name, or nil.
func (l commands) named(name string) *Command {
	for _, c := range l {
		if c.name == name {
			return &c
		}
	}
	return nil
}

// refuse refuses a word that should have been a command.
func (l commands) refuse(word string) error {
	if slices.Contains([]string{"serve", "server", "start"}, word) {
		return exit.Refuse(word, "there is no such command; lockcached serves when it is given none")
	}
	return exit.Refuse(term.Printable(word), "there is no such command"+argv.Suggest(l.nearest(word))+"; lockcached -h lists them")
}

// otherNames are the names that our commands have in other programs.
var otherNames = map[string]string{
	"unlock": "release", "free": "release", "list": "ls", "info": "show", "watch": "top", "run": "lock", "exec": "lock",
}

func (l commands) nearest(word string) string {
	if name := otherNames[word]; name != "" {
		return name
	}
	return argv.Nearest(word, l.names(), max(1, len(word)/2))
}

// names returns the names of the commands, in their order.
func (l commands) names() (names []string) {
	for _, c := range l {
		names = append(names, c.name)
	}
	return names
}
