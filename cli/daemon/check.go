package daemon

import (
	"strings"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// CheckConfig reads a file of --config, and the certificates and passwords that it names. It returns a
// line for each fault; none if a server can start with the file alone. If single values are wrong, it
// says nothing about how they go together.
func CheckConfig(path string) (faults []string) {
	read, err := readFile(path)
	if err != nil {
		return []string{term.Printable(path) + ": " + err.Error()}
	}
	for _, fault := range read.faults {
		faults = append(faults, read.at(fault.line)+fault.what)
	}
	if len(faults) > 0 {
		return faults
	}
	if err := read.finish(); err != nil {
		return []string{read.place(err.Error())}
	}
	return nil
}

// finish checks how the values go together, and that there are the files which they name.
func (f *file) finish() error {
	c, err := (&settings{file: f, all: f.given}).config()
	if err != nil {
		return err
	}
	if err := c.finish(); err != nil {
		return err
	}
	return (&service{config: c, log: zerolog.Nop()}).loadSecrets()
}

// place puts a line in front of an error about a flag that the file has.
func (f *file) place(fault string) string {
	if strings.HasPrefix(fault, f.path+":") {
		return fault
	}
	name, _, _ := strings.Cut(fault, " ")
	name = strings.Trim(name, ":")
	for i := range flags {
		list := f.given[flags[i].long]
		if len(list) > 0 && (name == flags[i].name() || name == "-Z" && flags[i].long == "tls-cert") {
			return f.at(list[0].line) + fault
		}
	}
	return f.at(0) + fault
}
