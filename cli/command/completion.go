package command

import (
	"slices"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

const completionWord = "completion"

// A completionCommand is "lockcached completion". The shell's script gives it the line that has
// been typed so far; then it prints what the last word could become.
type completionCommand struct {
	commands commands

	line  string
	typed bool
}

const completionNotes = `
  bash:  source <(lockcached completion bash)      in ~/.bashrc
  zsh:   source <(lockcached completion zsh)       in ~/.zshrc, after compinit
  fish:  lockcached completion fish | source       in ~/.config/fish/config.fish

Keys are those of locks that are held or waited for at the servers of --server or $LOCKCACHED_SERVER.
`

func (c *completionCommand) options() []option {
	return []option{{long: "line", arg: "text", usage: "print what the last word of a command line could become", take: func(value string) error {
		c.line, c.typed = value, true
		return nil
	}}}
}

func (c *completionCommand) run(a *App, args arguments) error {
	words := args.all()
	switch {
	case c.typed:
		return a.print(false, nil, func() string { return strings.Join(c.commands.complete(c.line, a.ServerFlags), "\n") + "\n" })
	case len(words) != 1 || completionScripts[words[0]] == "":
		return exit.Refuse(completionWord, "should be followed by bash, zsh or fish")
	}
	return a.print(false, nil, func() string { return completionScripts[words[0]] })
}

var completionScripts = map[string]string{
	// bash takes a colon for the end of a word, unless told otherwise.
	"bash": `_lockcached() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$'\n'
    local word=${line##*[[:space:]]}
    COMPREPLY=($(lockcached completion --line="$line" 2>/dev/null))
    local behind=${word##*[:=]}
    COMPREPLY=("${COMPREPLY[@]#"${word%"$behind"}"}")
}
complete -o default -F _lockcached lockcached
`,
	// This one is sourced, or stands in fpath as _lockcached: then it is the function's body.
	"zsh": `#compdef lockcached
_lockcached() {
    local -a found
    found=(${(f)"$(lockcached completion --line="${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
if [[ $funcstack[1] == _lockcached ]]; then _lockcached "$@"; else compdef _lockcached lockcached; fi
`,
	"fish": `complete -c lockcached -f -n 'not contains -- -- (commandline -opc)' -a '(lockcached completion --line=(commandline -cp | string collect) 2>/dev/null)'
`,
}

// CompletionScript is the script for bash, zsh or fish.
func CompletionScript(shell string) string { return completionScripts[shell] }

// complete returns what the last word of a line could become: nothing behind "--", where another
// program's words begin.
func (l commands) complete(line string, serverFlags []argv.Flag) []string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	words = words[1:] // without our own name
	last := ""
	if !strings.HasSuffix(line, " ") && len(words) > 0 {
		last = words[len(words)-1]
		words = words[:len(words)-1]
	}
	var all []string
	c, rest, _ := l.find(words, serverFlags)
	switch {
	case slices.Contains(words, "--"):
	case c != nil:
		all = c.complete(rest, last, l)
	case !strings.HasPrefix(last, "-") && l.firstWord(append(words, ""), serverFlags) == len(words):
		all = l.names()
	default:
		for _, f := range serverFlags {
			if !f.Hidden {
				all = append(all, "--"+f.Long)
			}
		}
	}
	return slices.DeleteFunc(all, func(word string) bool { return !strings.HasPrefix(word, last) })
}

// complete returns the words that may follow the command's other words.
func (c *Command) complete(words []string, last string, all commands) (found []string) {
	options := withHelp(c.task().options())
	switch {
	case strings.HasPrefix(last, "-"):
		for i := range options {
			found = append(found, "--"+options[i].long)
		}
		return found
	case len(words) > 0 && wantsValue(options, words[len(words)-1]):
		return nil
	case strings.HasPrefix(c.args, "KEY"):
		return keys(options, words)
	case c.name == completionWord:
		return []string{"bash", "fish", "zsh"}
	case c.name == "config" && len(words) == 0:
		return []string{"check"}
	case c.name == "cluster" && len(words) == 0:
		return []string{"add", "backup", "remove", "restore", "status"}
	case c.name == "help":
		return all.names()
	case c.name == "stats":
		return []string{"class", "classes", "conns", "contended", "fill", "fills", "held", "items", "lock", "locks", "settings"}
	}
	return nil
}

// wantsValue reports whether a word is a flag whose value is the next word.
func wantsValue(options []option, word string) bool {
	return slices.ContainsFunc(options, func(o option) bool {
		return o.arg != "" && (word == "--"+o.long || o.short != "" && word == "-"+o.short)
	})
}

// The shell waits for the keys, and the user for the shell.
const (
	keysTimeout = 500 * time.Millisecond
	mostKeys    = 1000
)

// keys returns the keys of the locks that are held or waited for at the servers that the words
// name, in alphabetical order. It leaves it to the command to report errors in the words.
func keys(options []option, words []string) (all []string) {
	line, _ := argv.Parse(words, argv.NewFlags(spellings(options)))
	r := newRemote()
	if takeAll(r.options(), line.Flags) != nil || r.finish() != nil {
		return nil
	}
	r.timeout = keysTimeout
	if r.spread() != nil {
		return nil
	}
	locks, _ := r.held(choice{limit: mostKeys})
	for _, lock := range locks {
		all = append(all, lock.text("key"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
