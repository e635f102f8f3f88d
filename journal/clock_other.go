//go:build !linux

package journal

import "time"

// start stands for the start of the machine: as if that were restarted with every process,
// so that the wall clock decides what has passed in between.
var start = time.Now()

func sinceBoot() time.Duration { return time.Since(start) }

func bootID() string { return "" }
