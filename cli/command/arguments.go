package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/protocol"
)

// arguments are the words of a command line that belong to no flag.
type arguments struct {
	words  []string
	ended  bool     // by "--"
	behind []string // the words behind it
}

// all returns the words on both sides of "--", for commands that give "--" no meaning.
func (args arguments) all() []string { return slices.Concat(args.words, args.behind) }

// wordless refuses all words.
func (args arguments) wordless(command string) error {
	if words := args.all(); len(words) > 0 {
		return exit.Refuse(words[0], "belongs to no flag; lockcached "+command+" -h lists them")
	}
	return nil
}

// key returns the key, for a command that takes one key and nothing else.
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

// checkKey refuses a key that memcached's protocol cannot carry.
func checkKey(key string) error {
	isBad := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if key == "" || len(key) > protocol.MaxKey || strings.ContainsFunc(key, isBad) {
		return exit.Refuse(fmt.Sprintf("key %q", key), fmt.Sprintf("should be 1 to %d bytes without spaces and control characters", protocol.MaxKey))
	}
	return nil
}
