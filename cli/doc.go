// Package cli is the command line: its first word decides whether the program is the server
// (package daemon) or a command that asks servers for something (package command). The package
// receives signals and turns errors into exit codes. It does not decide what flags mean.
package cli
