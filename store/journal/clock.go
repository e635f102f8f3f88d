package journal

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Moment is one instant on two clocks.
type Moment struct {
	BootID string        // which start of the machine Boot counts from; empty if unknown
	Boot   time.Duration // since the machine started, times of sleep included (CLOCK_BOOTTIME)
	Wall   time.Time
}

// Clock tells the present moment.
type Clock func() Moment

// Machine is the Clock of this machine.
func Machine() Moment {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // Linux always has this clock
	return Moment{BootID: bootID(), Boot: time.Duration(ts.Nano()), Wall: time.Now()}
}

var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // as after a restart of the machine: the wall clock decides
	}
	return strings.TrimSpace(string(id))
})
