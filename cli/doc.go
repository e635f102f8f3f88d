// Package cli is the command line: its first word decides whether the program is the server
// (package daemon) or a command that asks servers for something (package command). It receives
// signals and turns errors into exit codes. What flags mean is not decided here.
package cli
