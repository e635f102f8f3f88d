package argv

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lockcached/lockcached/cli/internal/exit"
)

// MaxVerbosity is the largest count of a counted flag; more of it means the same.
const MaxVerbosity = 9

// A Line is a command line that was taken apart.
type Line struct {
	Flags  []Given
	Words  []string // that belong to no flag
	Ended  bool     // by "--"
	Behind []string // the words behind that
}

// A Given is a flag on a command line, by its long name. The value of a switch is "".
type Given struct {
	Name, Value string
}

// Unknown is the error for a flag that does not exist, as it was written.
type Unknown struct{ Flag string }

func (u Unknown) Error() string { return u.Flag + ": unknown flag" }

// Parse takes the words of a command line apart. Its errors are Unknown, and refusals of flags whose
// value is missing, wrong or one too many. With an error, the Line has what was read before.
func Parse(words []string, flags *Flags) (*Line, error) {
	p := parser{flags: flags, unread: words}
	for len(p.unread) > 0 {
		if err := p.word(p.next()); err != nil {
			return &p.line, err
		}
	}
	if p.counted != nil {
		p.add(p.counted, strconv.Itoa(min(p.count, MaxVerbosity)))
	}
	return &p.line, nil
}

// A parser is a command line on its way to a Line.
type parser struct {
	flags   *Flags
	unread  []string
	line    Line
	counted *Flag // given so far; nil if it was not, or 0 times
	count   int
}

// next takes the next word; there must be one.
func (p *parser) next() string {
	word := p.unread[0]
	p.unread = p.unread[1:]
	return word
}

func (p *parser) word(word string) error {
	switch {
	case word == "--":
		p.line.Ended, p.line.Behind, p.unread = true, p.unread, nil
	case strings.HasPrefix(word, "--"):
		return p.long(word)
	case IsFlag(word):
		return p.short(word[1:])
	default:
		p.line.Words = append(p.line.Words, word)
	}
	return nil
}

// long reads --name, --name=value or --name value.
func (p *parser) long(word string) error {
	name, value, given := strings.Cut(word[2:], "=")
	f, ok := p.flags.long[name]
	switch {
	case !ok:
		return Unknown{"--" + name}
	case f.Counted:
		return p.addCount(f, value, given)
	case f.Arg == "" && given:
		return exit.Refuse(word, "takes no value")
	case f.Arg == "":
		p.add(f, "")
		return nil
	case given:
		p.add(f, value)
		return nil
	}
	return p.addNext(f, "--"+name)
}

// short reads the letters behind one dash. The first flag among them that takes a value takes
// the rest of the word, or the next word if nothing is left.
func (p *parser) short(letters string) error {
	for letters != "" {
		_, size := utf8.DecodeRuneInString(letters)
		letter := letters[:size]
		letters = letters[size:]
		f, ok := p.flags.short[letter]
		switch {
		case !ok:
			return Unknown{"-" + letter}
		case f.Counted:
			p.counted = f
			p.count++
		case f.Arg == "":
			p.add(f, "")
		case letters == "":
			return p.addNext(f, "-"+letter)
		default:
			p.add(f, letters)
			return nil
		}
	}
	return nil
}

// addCount adds to a counted flag: --verbose=2 is the same as -vv.
func (p *parser) addCount(f *Flag, value string, given bool) error {
	n := 1
	if given {
		var err error
		if n, err = strconv.Atoi(value); err != nil || n < 0 || n > MaxVerbosity {
			return exit.Refuse("--"+f.Long+"="+value, "verbosity is a number from 0 to "+strconv.Itoa(MaxVerbosity))
		}
	}
	if p.count += n; p.count > 0 {
		p.counted = f
	}
	return nil
}

// addNext gives a flag the next word as its value.
func (p *parser) addNext(f *Flag, as string) error {
	if len(p.unread) == 0 {
		return exit.Refuse(as, "needs a value: "+as+" <"+f.Arg+">")
	}
	p.add(f, p.next())
	return nil
}

func (p *parser) add(f *Flag, value string) {
	// As in memcached, so that -l "a, b" and quoted start-up files work.
	value = strings.TrimLeftFunc(value, unicode.IsSpace)
	p.line.Flags = append(p.line.Flags, Given{f.Long, value})
}
