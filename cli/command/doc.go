// Package command holds the commands that ask servers for something: to take a lock and run a
// program under it, to list locks, to show or release one, and the like. Each is an ordinary
// client, by package client or by memcached's protocol.
//
// The package serves nothing. It knows the server's flags only by name, to tell which words of a
// command line belong to the server and which to a command.
package command
