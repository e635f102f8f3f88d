// Package argv reads command lines: it takes words apart into flags and their values, as
// memcached's getopt_long does (-vv, -p11211, -Mm64, -c -1), because start-up files are full of
// that. It also reads the values that the server and the commands have in common, and guesses
// what a mistyped word was meant to be.
//
// It knows no flag by name, and it decides nothing: which flags there are and what they do is up
// to the packages daemon and command.
package argv
