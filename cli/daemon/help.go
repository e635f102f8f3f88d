package daemon

import (
	"fmt"
	"strings"
)

// help is the answer to -h. urfave/cli aligns what follows a tab.
func (p *Process) help() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.Version)
	fmt.Fprintln(&b, "A lock server that speaks memcached's protocol. Without flags it serves on 127.0.0.1:11211.")
	for _, section := range sections {
		fmt.Fprintf(&b, "\n%s:\n", section)
		for i := range flags {
			if f := &flags[i]; f.section == section {
				spelling := f.spelling()
				fmt.Fprintf(&b, "  %s\t%s\n", spelling.Synopsis(), f.usage)
			}
		}
	}
	b.WriteString(helpNotes)
	b.WriteString(p.HelpNotes)
	return b.String()
}

const helpNotes = `
A <duration> has a unit: 500ms, 5s, 1m30s.
-l, -o, --lock-keys, --wait and --lock-delay can be repeated, or given a list separated by commas.

Environment:
  Every flag has a variable, its long name in capitals: LOCKCACHED_PORT=11212,
  LOCKCACHED_MEMORY_LIMIT=256, LOCKCACHED_DISABLE_FLUSH_ALL=true,
  LOCKCACHED_WAIT='lock:*=200ms,job:*=2s'. A flag overrides its variable,
  and that overrides the file of --config. SIGHUP applies the file again.
  MEMCACHED_PORT_FILENAME names a file to write the ports in use to.
`
