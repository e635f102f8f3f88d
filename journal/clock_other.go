//go:build !linux

package journal

import "time"

// start stands for the start of the machine, as if it were restarted with every process:
// the wall clock decides how much time has passed in between.
var start = time.Now()

func sinceBoot() time.Duration { return time.Since(start) }

func bootID() string { return "" }
