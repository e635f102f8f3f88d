package main

import (
	"strings"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/server"
)

func newPage(section, title string) *roff {
	r := new(roff)
	r.macro("TH", "LOCKCACHED", section, "", "lockcached "+server.Release, title)
	r.macro("nh") // a flag that is broken cannot be copied
	r.macro("ad l")
	return r
}

// end writes what both pages end with.
func (r *roff) end(section string) string {
	r.macro("SH", "SEE ALSO")
	r.macro("BR", "lockcached", "("+section+")")
	r.macro("PP")
	r.line("https://github.com/lockcached/lockcached")
	return r.String()
}

// commandPage is lockcached(1).
func commandPage(pages []command.Page) string {
	r := newPage("1", "User Commands")
	r.macro("SH", "NAME")
	r.line("lockcached - run commands under locks, and see what locks are doing")
	r.macro("SH", "SYNOPSIS")
	for _, p := range pages {
		r.macro("B", strings.TrimSpace("lockcached "+p.Name+" "+p.Args))
		r.macro("br")
	}
	r.macro("SH", "DESCRIPTION")
	r.paragraphs(aboutCommands)
	r.macro("SH", "COMMANDS")
	for _, p := range pages {
		r.command(p)
	}
	r.macro("SH", "EXIT STATUS")
	r.paragraphs("0 is success, 1 a failure, 2 a wrong flag, value or file. lock and acquire have more codes, which are listed there.")
	return r.end("8")
}

// command writes all about one command.
func (r *roff) command(p command.Page) {
	r.macro("SS", strings.TrimSpace("lockcached "+p.Name+" "+p.Args))
	r.paragraphs(upperFirst(p.About) + ".")
	for _, f := range p.Flags {
		r.flag(f)
		if f.Variable != "" {
			r.line("$" + f.Variable + " stands for it.")
		}
	}
	if p.Notes != "" {
		r.paragraphs(p.Notes)
	}
}

// serverPage is lockcached(8).
func serverPage(sections []daemon.Section) string {
	r := newPage("8", "System Administration")
	r.macro("SH", "NAME")
	r.line("lockcached - a lock server that speaks memcached's protocol")
	r.macro("SH", "SYNOPSIS")
	r.macro("B", "lockcached")
	r.line("[flags]")
	r.macro("SH", "DESCRIPTION")
	r.paragraphs(aboutServer)
	r.macro("SH", "OPTIONS")
	for _, s := range sections {
		r.macro("SS", s.Title)
		for _, f := range s.Flags {
			r.flag(f)
			if f.Live {
				r.line("SIGHUP can change it in the file of --config.")
			}
		}
	}
	for _, s := range serverSections {
		r.macro("SH", s.title)
		r.paragraphs(s.text)
	}
	return r.end("1")
}

const aboutCommands = `
The program that is the lock server, see lockcached(8), also runs commands under a lock, and shows an
operator what the locks are doing. Without a command it serves.

Commands ask the servers of --server or $LOCKCACHED_SERVER, 127.0.0.1:11211 by default.
`

const aboutServer = `
An application that takes a lock in memcached with add and frees it with delete can use this server
without a change. Locks are never evicted, claims can wait in line, and the server tells when a lock
will probably be free. Without flags it serves on 127.0.0.1:11211, and is memcached to its clients.

A <duration> has a unit: 500ms, 5s, 1m30s. A <pattern> or <glob> is matched against keys: * stands for
any text, ? for one character, [a-z] for one of several. Flags with patterns, -l, -o and --admin-host
can be repeated, or given a list separated by commas.
`

var serverSections = []struct{ title, text string }{
	{"ENVIRONMENT", `
Every flag has a variable, its long name in capitals:

  LOCKCACHED_PORT=11212
  LOCKCACHED_DISABLE_FLUSH_ALL=true
  LOCKCACHED_WAIT='lock:*=200ms,job:*=2s'

A flag overrides its variable, and that overrides the file of --config. $MEMCACHED_PORT_FILENAME names a
file to write the ports in use to.
`},
	{"CONFIGURATION FILE", `
The file of --config is TOML, with the flags by their long names:

  memory-limit = 256
  conn-limit = 5000
  data = "/var/lib/lockcached"

  [wait]            # the first pattern that matches counts
  "lock:urgent:*" = "5s"
  "lock:*" = "200ms"

lockcached config check FILE lists what is wrong with it.
`},
	{"SIGNALS", `
SIGTERM, SIGINT and SIGUSR1 stop the server: requests are finished within the time of --drain. A second
signal stops it at once.

SIGHUP reads certificates, passwords and the file of --config again. A bad file changes nothing. What
cannot change while the server runs is named in one warning of the log.
`},
	{"FILES", `
As packages install it:

  /etc/lockcached/lockcached.toml   flags, which systemctl reload lockcached applies
  /etc/default/lockcached           variables, which need a restart
  /var/lib/lockcached               the user's directory, for --data
`},
	{"EXAMPLES", `
Claims wait in line, even those of clients that know nothing of it:

  lockcached --wait 'lock:*=200ms'

Locks survive a restart:

  lockcached --data /var/lib/lockcached
`},
	{"EXIT STATUS", `
0 after a signal that stops it, 1 for a failure, 2 for a wrong flag, variable or file.
`},
}
