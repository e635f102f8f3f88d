//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

// Main is the main function of a program that measures something: it parses the command
// line, runs until done or interrupted, and exits with 2 if the command line is wrong and 1
// on any other error.
func Main[Options any](name string, parse func(args []string) (Options, error), run func(context.Context, Options) error) {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Matching returns those of all whose name matches the regular expression that a flag gives.
// It is an error if none does.
func Matching[T any](flag, pattern string, all []T, name func(T) string) ([]T, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	var matching []T
	var names []string
	for _, x := range all {
		names = append(names, name(x))
		if re.MatchString(name(x)) {
			matching = append(matching, x)
		}
	}
	if len(matching) == 0 {
		return nil, fmt.Errorf("%s %s: matches none of %s", flag, pattern, strings.Join(names, " "))
	}
	return matching, nil
}
