//go:build linux

package main

import (
	"fmt"
	"os"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// roleVariable makes this program a process of its own scenarios.
const roleVariable = "LOCKCACHED_TORTURE_ROLE"

// The roles, each with two arguments or more.
const (
	workerRole = "worker"
	rabbleRole = "rabble"
	fillerRole = "filler"
)

// startRole starts this program in a role, by a command that runs programs elsewhere, or here if
// within is nil.
func startRole(within []string, role string, args ...string) (*rig.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := commandWithin(within, self, args)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return rig.Start(cmd)
}

// playRole is the main function of such a process. It plays until it is killed.
func playRole(role string, args []string) (exitCode int) {
	var err error
	switch {
	case role == workerRole && len(args) == 3:
		var w *worker
		if w, err = newWorker(args); err == nil {
			err = w.run()
		}
	case role == rabbleRole && len(args) == 2:
		var r *rabble
		if r, err = newRabble(args); err == nil {
			r.run()
		}
	case role == fillerRole && len(args) == 2:
		err = runWild(args)
	default:
		fmt.Fprintf(os.Stderr, "torture: %s=%s is for scripts/torture itself: unset it\n", roleVariable, role)
		return 2
	}
	fmt.Fprintln(os.Stderr, "torture:", err)
	return 1
}
