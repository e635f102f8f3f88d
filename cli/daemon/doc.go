// Package daemon is the server as a process: it reads flags and environment variables into the
// Configs of the packages below, opens listeners and files, and serves until a signal, a client's
// "shutdown" or a failure ends it. The flags are memcached's, with their meaning, and our own.
//
// It handles no requests (package server does), decides nothing about locks (package locks does),
// and does not know the commands that ask servers for something (package command).
package daemon
