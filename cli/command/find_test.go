package command

import (
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/daemon"
)

func TestFind(t *testing.T) {
	tests := []struct{ line, command, rest string }{
		{"", "", ""},
		{"ls", "ls", ""},
		{"--server a:1 ls", "ls", "--server a:1"},
		{"--server=a:1 --json ls --limit 3", "ls", "--server=a:1 --json --limit 3"},
		{"-v --wait 5s lock k -- ls", "lock", "-v --wait 5s k -- ls"},
		{"-n 2s top", "top", "-n 2s"},
		{"-n2s top", "top", "-n2s"},
		{"-n lock k -- true", "lock", "-n k -- true"},
		{"-vn lock k -- true", "lock", "-vn k -- true"},
		{"--token 7 --force release k", "release", "--token 7 --force k"},
		{"-P ls", "", ""},
		{"-p 1 -- ls", "", ""},
		{"--pidfile ls", "", ""},
		{"--unheard-of ls", "", ""},
		{"lokc ls", "", ""},
	}
	for _, tt := range tests {
		name := ""
		c, rest, _ := Find(strings.Fields(tt.line), daemon.Flags())
		if c != nil {
			name = c.name
		}
		if got := strings.Join(rest, " "); name != tt.command || got != tt.rest {
			t.Errorf("%s: %s with %q, want %s with %q", tt.line, name, got, tt.command, tt.rest)
		}
	}
}

// Before the command is known, a flag has to be read like every other flag of its name.
func TestFlagsOfOneNameAreAlike(t *testing.T) {
	flags := allCommands().allFlags(daemon.Flags())
	for _, c := range allCommands() {
		for _, o := range c.task().options() {
			if f := flags.Long(o.long); (f.Arg == "") != (o.arg == "") {
				t.Errorf("--%s of %s has a value, and elsewhere not, or the other way round", o.long, c.name)
			}
		}
	}
}
