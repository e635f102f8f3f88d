// Package command is the commands that ask servers for something: to take a lock and run a program
// under it, to list locks, to show or release one, and the like. Each is a client as any other, by
// package client or by memcached's protocol.
//
// It serves nothing and knows none of the server's flags but by name, so that it can tell on which
// side of the command line a word belongs.
package command
