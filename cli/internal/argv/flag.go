package argv

import "strings"

// EnvPrefix begins the names of all our environment variables.
const EnvPrefix = "LOCKCACHED_"

// A Flag is what Parse and the help need to know about a flag.
type Flag struct {
	Short   string // one letter, or ""
	Long    string // its name behind --
	Arg     string // what its value is called in the help; "" for a switch
	Counted bool   // repeating it means more of it, and a value is the count
	Hidden  bool   // read, but not offered: neither help nor completion has it
}

// Described is a Flag with what the help and the manual say about it.
type Described struct {
	Flag
	Usage    string
	Variable string // its environment variable; "" for none
	Live     bool   // it can change while the server runs
}

// Synopsis is how the help writes a flag: "-p, --port=<num>".
func (f *Flag) Synopsis() string {
	s := "    --" + f.Long
	if f.Short != "" {
		s = "-" + f.Short + ", --" + f.Long
	}
	if f.Arg != "" {
		s += "=<" + f.Arg + ">"
	}
	return s
}

// Flags finds flags by their names. Its zero value has none.
type Flags struct {
	short, long map[string]*Flag
	mixed       map[string]bool // letters that are switches in one command, and take a value in another
}

// NewFlags returns the flags of a list in which each name occurs once.
func NewFlags(list []Flag) *Flags {
	f := new(Flags)
	f.Add(list)
	return f
}

// Add adds flags. Of two with the same name the later one is found. Two with the same long name
// must agree on whether they have a value; two with the same letter need not.
func (f *Flags) Add(list []Flag) {
	if f.long == nil {
		f.short, f.long, f.mixed = make(map[string]*Flag), make(map[string]*Flag), make(map[string]bool)
	}
	for i := range list {
		added := &list[i]
		f.long[added.Long] = added
		if added.Short == "" {
			continue
		}
		if other := f.short[added.Short]; other != nil && (other.Arg == "") != (added.Arg == "") {
			f.mixed[added.Short] = true
		}
		f.short[added.Short] = added
	}
}

// Long returns the flag with that long name, or nil.
func (f *Flags) Long(name string) *Flag { return f.long[name] }

// A Reading says whether a flag exists, and whether the word behind it is its value.
type Reading int

// The readings.
const (
	NotThere Reading = iota
	WithoutValue
	WithValue
	PerhapsWithValue // it depends on the command
)

// Find looks up a word that begins with a dash: a long flag, or flags of one letter each.
func (f *Flags) Find(word string) Reading {
	if strings.HasPrefix(word, "--") {
		name, _, given := strings.Cut(word[2:], "=")
		switch flag := f.long[name]; {
		case flag == nil:
			return NotThere
		case flag.Arg == "" || given:
			return WithoutValue
		}
		return WithValue
	}
	letters := []rune(word[1:])
	for i, letter := range letters {
		isLast := i == len(letters)-1
		switch flag := f.short[string(letter)]; {
		case flag == nil:
			return NotThere
		case f.mixed[string(letter)] && isLast:
			return PerhapsWithValue
		case flag.Arg != "" && isLast:
			return WithValue
		case flag.Arg != "":
			return WithoutValue // the rest of the word is its value
		}
	}
	return WithoutValue
}

// IsFlag reports whether a word is a flag: it begins with a dash, and is more than that.
func IsFlag(word string) bool { return strings.HasPrefix(word, "-") && word != "-" }
