package cli

import (
	"fmt"
	"strings"
)

// versionLine is the answer to -V, and the first line of that to -h.
func (a *app) versionLine() string {
	if a.asMemcached {
		return memcachedLine
	}
	return versionLine
}

// helpText is the whole answer to -h. urfave/cli aligns what follows a tab.
func (a *app) helpText() string {
	var b strings.Builder
	fmt.Fprintln(&b, a.versionLine())
	fmt.Fprintln(&b, "A lock server that speaks memcached's protocol. Without flags it serves on 127.0.0.1:11211.")
	for _, section := range sections {
		fmt.Fprintf(&b, "\n%s:\n", section)
		for i := range flags {
			if f := &flags[i]; f.section == section {
				fmt.Fprintf(&b, "  %s\t%s\n", f.synopsis(), f.usage)
			}
		}
	}
	b.WriteString(helpNotes)
	if !a.asMemcached {
		b.WriteString(commandNotes())
	}
	return b.String()
}

const helpNotes = `
A <duration> has a unit: 500ms, 5s, 1m30s.
-l, -o, --lock-keys, --wait and --lock-delay can be repeated, or given a list separated by commas.

Environment:
  Every flag has a variable, its long name in capitals: LOCKCACHED_PORT=11212,
  LOCKCACHED_MEMORY_LIMIT=256, LOCKCACHED_DISABLE_FLUSH_ALL=true,
  LOCKCACHED_WAIT='lock:*=200ms,job:*=2s'. A flag overrides its variable.
  MEMCACHED_PORT_FILENAME names a file to write the ports in use to.
`

// synopsis is how a flag is written: "-p, --port=<num>".
func (f *flag) synopsis() string {
	s := "    --" + f.long
	if f.short != "" {
		s = "-" + f.short + ", --" + f.long
	}
	if f.arg != "" {
		s += "=<" + f.arg + ">"
	}
	return s
}
