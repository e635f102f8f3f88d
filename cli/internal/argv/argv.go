package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// normalise reads args as memcached's getopt_long does (-vv, -p11211, -Mm64,
// -c -1), because start-up files are full of that and urfave/cli reads it
// differently. It returns each flag as --name or --name=value, and apart from
// them the words that belong to no flag.
func normalise(args []string) (named, rest []string, err error) {
	a := argv{byShort: byShort, byLong: byLong, unread: args}
	if err := a.read(); err != nil {
		return nil, nil, err
	}
	return a.named, append(a.rest, a.behind...), nil
}

// An argv is a command line on its way to its normal form.
type argv struct {
	byShort, byLong map[string]*flag // those there are
	command         string           // whose they are; "" for the server's

	unread      []string
	named, rest []string
	ended       bool     // by "--"
	behind      []string // what stands behind that
	verbosity   int      // how often -v was given
}

// read takes the words apart.
func (a *argv) read() (err error) {
	for len(a.unread) > 0 && err == nil {
		arg := a.next()
		switch {
		case arg == "--":
			a.ended, a.behind, a.unread = true, a.unread, nil
		case strings.HasPrefix(arg, "--"):
			err = a.long(arg)
		case strings.HasPrefix(arg, "-") && arg != "-":
			err = a.short(arg[1:])
		default:
			a.rest = append(a.rest, arg)
		}
	}
	if a.verbosity > 0 {
		a.named = append(a.named, "--verbose="+strconv.Itoa(min(a.verbosity, maxVerbosity)))
	}
	return err
}

// next takes the next word; there must be one.
func (a *argv) next() string {
	arg := a.unread[0]
	a.unread = a.unread[1:]
	return arg
}

// long reads --name, --name=value or --name value.
func (a *argv) long(arg string) error {
	name, value, given := strings.Cut(arg[2:], "=")
	f, ok := a.byLong[name]
	switch {
	case !ok:
		return a.unknown("--" + name)
	case f.counted:
		return a.count("--"+name, value, given)
	case f.arg == "" && given:
		return refusal{arg, "takes no value"}
	case f.arg == "":
		a.addSwitch(f)
		return nil
	case given:
		a.add(f, value)
		return nil
	}
	return a.addNext(f, "--"+name)
}

// short reads the letters behind one dash. The first flag among them that
// takes a value takes the rest of the word, or the next one if nothing is left.
func (a *argv) short(letters string) error {
	for letters != "" {
		_, size := utf8.DecodeRuneInString(letters)
		letter := letters[:size]
		letters = letters[size:]
		f, ok := a.byShort[letter]
		switch {
		case !ok:
			return a.unknown("-" + letter)
		case f.counted:
			a.verbosity++
		case f.arg == "":
			a.addSwitch(f)
		case letters == "":
			return a.addNext(f, "-"+letter)
		default:
			a.add(f, letters)
			return nil
		}
	}
	return nil
}

// count is for -v, which adds up; --verbose=2 is the same as -vv.
func (a *argv) count(flag, value string, given bool) error {
	n := 1
	if given {
		var err error
		if n, err = strconv.Atoi(value); err != nil || n < 0 || n > maxVerbosity {
			return refusal{flag + "=" + value, "verbosity is a number from 0 to " + strconv.Itoa(maxVerbosity)}
		}
	}
	a.verbosity += n
	return nil
}

func (a *argv) addNext(f *flag, as string) error {
	if len(a.unread) == 0 {
		return refusal{as, "needs a value: " + as + " <" + f.arg + ">"}
	}
	a.add(f, a.next())
	return nil
}

func (a *argv) add(f *flag, value string) {
	// As in memcached, so that -l "a, b" and quoted start-up files work.
	value = strings.TrimLeftFunc(value, unicode.IsSpace)
	a.named = append(a.named, "--"+f.long+"="+value)
}

func (a *argv) addSwitch(f *flag) {
	if f.set == nil {
		a.named = append(a.named, "--"+f.long)
		return
	}
	a.add(f, "true")
}

// unknown refuses a flag that is not there, and says where it is or what is like it.
func (a *argv) unknown(as string) error {
	help := strings.TrimSpace("lockcached "+a.command) + " -h"
	near := a.byLong
	if a.command == "" {
		if command := commandWith(as); command != "" {
			return refusal{as, "belongs to a command, as in lockcached " + command + " " + as + "; lockcached -h lists commands and the server's flags"}
		}
		near = new(flagNames).load().long
	} else if (&flagNames{short: byShort, long: byLong}).find(as) != notThere {
		return refusal{as, "is a flag of the server; " + help + " lists those of lockcached " + a.command}
	}
	return refusal{as, "unknown flag" + suggestFlag(as, near) + "; " + help + " lists those there are"}
}

// commandWith names a command that has that long flag; "" if there is none.
func commandWith(as string) string {
	for _, c := range allCommands() {
		if _, long := indexOptions(c.task().options()); long[strings.TrimPrefix(as, "--")] != nil {
			return c.name
		}
	}
	return ""
}

func suggestFlag(as string, byLong map[string]*flag) string {
	name, isLong := strings.CutPrefix(as, "--")
	if !isLong {
		return ""
	}
	near := nearest(name, slices.Sorted(maps.Keys(byLong)), max(1, len(name)/3))
	if near == "" {
		return ""
	}
	return suggest("--" + near)
}
