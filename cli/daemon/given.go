package daemon

import (
	"maps"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/cli/internal/exit"
)

// A given is one value of a flag, and where it stands.
type given struct {
	value string
	where string // how an error begins: "-p 5", "LOCKCACHED_PORT=5", "/etc/lockcached.toml:3: port = 5"
	line  int    // in the file; 0 if it is not from there
}

// settings are what the server was given: flags, which win over variables, which win over the file.
type settings struct {
	words   map[string][]given // on the command line and in variables, by the flags' long names
	file    *file              // nil for none
	all     map[string][]given
	ignored []string
}

// collect reads what urfave/cli found, and the file of --config. The flags in named are from the
// command line, the others from the environment.
func collect(ctx *urfave.Context, named []string) (*settings, error) {
	onCommandLine := make(map[string]bool)
	for _, arg := range named {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		onCommandLine[name] = true
	}
	s := &settings{words: make(map[string][]given)}
	for i := range flags {
		f := &flags[i]
		for _, value := range f.values(ctx) {
			switch {
			case onCommandLine[f.long]:
				s.words[f.key()] = append(s.words[f.key()], f.fromLine(value))
			case onCommandLine[f.otherName()]:
			default:
				s.fromVariable(f, value)
			}
		}
	}
	path := s.words["config"]
	if path == nil {
		s.all = s.words
		return s, nil
	}
	read, err := readFile(path[0].value)
	if err != nil {
		return nil, exit.Refuse(path[0].where, err.Error())
	}
	return s.with(read)
}

// with returns the settings with a file, or an error if that has faults.
func (s *settings) with(read *file) (*settings, error) {
	if err := read.refuse(); err != nil {
		return nil, err
	}
	all := maps.Clone(read.given)
	maps.Copy(all, s.words)
	return &settings{words: s.words, file: read, all: all, ignored: s.ignored}, nil
}

// again reads the file again.
func (s *settings) again() (*settings, error) {
	read, err := readFile(s.file.path)
	if err != nil {
		return nil, exit.Refuse(s.file.path, err.Error())
	}
	return s.with(read)
}

// config makes the configuration.
func (s *settings) config() (*config, error) {
	c := newConfig()
	c.settings = s
	c.ignored = append(c.ignored, s.ignored...)
	for i := range flags {
		f := &flags[i]
		if f.same != "" {
			continue
		}
		if err := f.refuseTwice(s.all[f.long]); err != nil {
			return nil, err
		}
		for _, g := range s.all[f.long] {
			if err := c.apply(f, g); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// otherName is another long name of the flag, or "".
func (f *flag) otherName() string {
	if f.same != "" {
		return f.same
	}
	for i := range flags {
		if flags[i].same == f.long {
			return flags[i].long
		}
	}
	return ""
}

// refuseTwice refuses a flag that is set to different values under its two names.
func (f *flag) refuseTwice(list []given) error {
	if f.many || f.otherName() == "" || len(list) < 2 || list[0].value == list[1].value {
		return nil
	}
	return exit.Refuse(list[1].where, "is the same flag as "+list[0].where+"; give one of them")
}

// fromLine is a value on the command line.
func (f *flag) fromLine(value string) given {
	if f.isSwitch() {
		return given{value: value, where: f.name()}
	}
	return given{value: value, where: f.name() + " " + value}
}

// fromVariable takes the value of an environment variable.
func (s *settings) fromVariable(f *flag, value string) {
	where := f.env() + "=" + value
	switch {
	case value == "": // this is how a compose file leaves a variable unset
	case f.long == "port" && strings.Contains(value, "://"):
		// Kubernetes sets this in every pod beside a service called lockcached.
		s.ignored = append(s.ignored, where)
	default:
		s.words[f.key()] = append(s.words[f.key()], given{value: value, where: where})
	}
}

// texts are the values alone.
func texts(list []given) (values []string) {
	for _, g := range list {
		values = append(values, g.value)
	}
	return values
}
