package command

import (
	"os"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// An option is a flag of a command.
type option struct {
	short    string // one letter, or ""
	long     string
	arg      string // what its value is called in the help; "" for a switch
	many     bool   // may be repeated, or given a comma-separated list
	counted  bool   // repeating it means more of it
	usage    string
	variable string                   // its environment variable; "" for none
	take     func(value string) error // value is "" for a switch
}

// spelling is how the option is read and described.
func (o *option) spelling() argv.Flag {
	return argv.Flag{Short: o.short, Long: o.long, Arg: o.arg, Counted: o.counted}
}

func spellings(options []option) []argv.Flag {
	list := make([]argv.Flag, len(options))
	for i := range options {
		list[i] = options[i].spelling()
	}
	return list
}

func withHelp(options []option) []option {
	return append(options, option{short: "h", long: "help", usage: "print this help"})
}

// takeAll gives options their values: those of the command line, or else that of the variable.
// An empty variable counts as unset.
func takeAll(options []option, given []argv.Given) error {
	for i := range options {
		o := &options[i]
		isGiven := false
		for _, g := range given {
			if g.Name != o.long {
				continue
			}
			isGiven = true
			if v, err := o.takeEach(g.Value); err != nil {
				return exit.Refuse(strings.TrimSpace("--"+o.long+" "+v), err.Error())
			}
		}
		value := os.Getenv(o.variable)
		if isGiven || value == "" {
			continue
		}
		if v, err := o.takeEach(value); err != nil {
			return exit.Refuse(o.variable+"="+v, err.Error())
		}
	}
	return nil
}

// takeEach takes a value, or each value of a list. With an error it returns the wrong value.
func (o *option) takeEach(value string) (string, error) {
	values := []string{value}
	if o.many {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		if err := o.take(v); err != nil {
			return v, err
		}
	}
	return "", nil
}

// turnOn takes a switch, which has no value.
func turnOn(to *bool) func(string) error {
	return func(string) error {
		*to = true
		return nil
	}
}

// positive takes a duration greater than 0.
func positive(to *time.Duration) func(value string) error {
	return func(value string) (err error) {
		*to, err = argv.PositiveDuration(value)
		return err
	}
}
