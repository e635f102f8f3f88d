package daemon

import (
	"fmt"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

// Section is a part of the help.
type Section struct {
	Title string
	Flags []argv.Described
}

// Sections returns all flags that the help has, in its order.
func Sections() []Section {
	all := make([]Section, len(sections))
	for i, title := range sections {
		all[i].Title = title
		for k := range flags {
			if f := &flags[k]; f.section == title {
				all[i].Flags = append(all[i].Flags, f.described())
			}
		}
	}
	return all
}

func (f *flag) described() argv.Described {
	d := argv.Described{Flag: f.spelling(), Usage: f.usage, Live: f.live != nil}
	if f.set != nil {
		d.Variable = f.env()
	}
	return d
}

// help is the answer to -h. urfave/cli aligns what follows a tab.
func (p *Process) help() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.Version)
	fmt.Fprintln(&b, "A lock server that speaks memcached's protocol. Without flags it serves on 127.0.0.1:11211.")
	for _, section := range Sections() {
		fmt.Fprintf(&b, "\n%s:\n", section.Title)
		for _, f := range section.Flags {
			fmt.Fprintf(&b, "  %s\t%s\n", f.Synopsis(), f.Usage)
		}
	}
	b.WriteString(helpNotes)
	b.WriteString(p.HelpNotes)
	return b.String()
}

const helpNotes = `
A <duration> has a unit: 500ms, 5s, 1m30s.
-l, -o, --admin-host and all flags with patterns can be repeated, or given a list separated by commas.

Environment:
  Every flag has a variable, its long name in capitals: LOCKCACHED_PORT=11212,
  LOCKCACHED_MEMORY_LIMIT=256, LOCKCACHED_DISABLE_FLUSH_ALL=true,
  LOCKCACHED_WAIT='lock:*=200ms,job:*=2s'. A flag overrides its variable,
  and that overrides the file of --config. SIGHUP applies the file again.
  MEMCACHED_PORT_FILENAME names a file to write the ports in use to.
`
