package cli

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// isMemcached reports whether the program was started under memcached's name, as by the
// start-up files of a distribution. Then it is used as a memcached, which has no
// commands and ignores words that belong to no flag.
func isMemcached(program string) bool {
	return strings.HasPrefix(filepath.Base(program), "memcached")
}

// route returns the command that a command line names, and its arguments: all words but
// the program's and the command's. Flags may stand in front of the command. It returns
// nil if there is no command.
func route(args []string) (c *command, rest []string) {
	if isMemcached(args[0]) {
		return nil, nil
	}
	args = args[1:]
	i := firstWord(args)
	if i < 0 {
		return nil, nil
	}
	if c = findCommand(args[i]); c == nil {
		return nil, nil
	}
	return c, slices.Concat(args[:i], args[i+1:])
}

// firstWord is the index of the first word that is neither a flag nor a flag's value; -1
// if there is none, or what stands in front of it cannot be understood.
func firstWord(args []string) int {
	var names flagNames
	for i := 0; i < len(args); i++ {
		if arg := args[i]; arg == "--" {
			return -1
		} else if !isFlag(arg) {
			return i
		}
		switch names.load().find(args[i]) {
		case notThere:
			return -1
		case withValue:
			i++
		case perhapsWithValue:
			if i+1 < len(args) && findCommand(args[i+1]) == nil {
				i++
			}
		}
	}
	return -1
}

func isFlag(arg string) bool { return strings.HasPrefix(arg, "-") && arg != "-" }

// flagNames are the flags of the server and of all commands, for as long as it is not known
// whose command line it is. Long flags that share a name agree on whether they have a value.
type flagNames struct {
	short, long map[string]*flag
	mixed       map[string]bool // letters that are switches here, and have a value there
}

// load fills in the names, once.
func (n *flagNames) load() *flagNames {
	if n.long != nil {
		return n
	}
	n.short, n.long, n.mixed = maps.Clone(byShort), maps.Clone(byLong), make(map[string]bool)
	for _, c := range allCommands() {
		short, long := indexOptions(c.task().options())
		for letter, f := range short {
			if other := n.short[letter]; other != nil && (other.arg == "") != (f.arg == "") {
				n.mixed[letter] = true
			}
		}
		maps.Copy(n.short, short)
		maps.Copy(n.long, long)
	}
	return n
}

// A reading says whether a flag is there, and whether the word behind it is its value.
type reading int

const (
	notThere reading = iota
	withoutValue
	withValue
	perhapsWithValue
)

// find looks up a flag, or all flags of a word of one-letter flags.
func (n *flagNames) find(arg string) reading {
	if strings.HasPrefix(arg, "--") {
		name, _, given := strings.Cut(arg[2:], "=")
		switch f := n.long[name]; {
		case f == nil:
			return notThere
		case f.arg == "" || given:
			return withoutValue
		}
		return withValue
	}
	letters := []rune(arg[1:])
	for i, letter := range letters {
		isLast := i == len(letters)-1
		switch f := n.short[string(letter)]; {
		case f == nil:
			return notThere
		case n.mixed[string(letter)] && isLast:
			return perhapsWithValue
		case f.arg != "" && isLast:
			return withValue
		case f.arg != "":
			return withoutValue // the rest of the word is its value
		}
	}
	return withoutValue
}

// findCommand returns the command of that name, or nil.
func findCommand(name string) *command {
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
		return refusal{word, "there is no such command; lockcached serves when it is given none"}
	}
	return refusal{shown(word), "there is no such command" + suggest(nearestCommand(word)) + "; lockcached -h lists them"}
}

// suggest is what an error adds that knows what was probably meant.
func suggest(near string) string {
	if near == "" {
		return ""
	}
	return " (did you mean " + near + "?)"
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
	return nearest(word, names, max(1, len(word)/2))
}

// nearest returns the name that a word was probably meant to be: the one with the smallest edit
// distance, if that is most or less, or else one that the word begins; or "".
func nearest(word string, names []string, most int) (near string) {
	least := most + 1
	for _, name := range names {
		if d := editDistance(word, name); d < least {
			near, least = name, d
		}
	}
	isBegun := func(name string) bool { return word != "" && strings.HasPrefix(name, word) }
	if i := slices.IndexFunc(names, isBegun); near == "" && i >= 0 {
		return names[i]
	}
	return near
}

// editDistance is the optimal string alignment distance: how many bytes have to be added,
// removed, replaced or swapped with their neighbour to make one word the other.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d := min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
