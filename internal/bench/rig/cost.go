//go:build linux

package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that the process has used, in all threads, including those
// that have ended. Its clock is finer than the hundredths of a second of /proc/PID/stat.
func (p *Process) CPU() (time.Duration, error) {
	const allThreads = 2 // CPUCLOCK_SCHED; clock_getcpuclockid(3) composes the id like this
	clock := int32(^p.Pid()<<3 | allThreads)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", p.Pid(), err)
	}
	return time.Duration(t.Nano()), nil
}

// MachineCPU returns for how long the processors of the whole machine have been busy. Its clock
// counts hundredths of a second. What the kernel does for sockets in interrupts is in it, and in no
// process's time.
func MachineCPU() (time.Duration, error) {
	const hundredth = 10 * time.Millisecond
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system, idle, wait, irq, softirq int64
	if _, err := fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(user+nice+system+irq+softirq) * hundredth, nil
}

// RSS returns the bytes of memory that the process has in use. It reads smaps_rollup,
// because VmRSS in status may lag by 64 pages per core and kind of memory: that is much
// compared to 5000 small connections.
func (p *Process) RSS() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", p.Pid()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Rss:"); ok {
			var kilobytes int64
			_, err := fmt.Sscanf(rest, "%d kB", &kilobytes)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("%s: no Rss line", f.Name())
}

// SettledRSS returns RSS once it has stayed within half a percent for two
// seconds, or what it is after thirty: servers tidy up in the background.
func (p *Process) SettledRSS(ctx context.Context) (int64, error) {
	const (
		calm   = 2 * time.Second
		atMost = 30 * time.Second
	)
	start := time.Now()
	var level int64
	for since := start; ; {
		rss, err := p.RSS()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		if change := rss - level; max(change, -change) > level/200 {
			level, since = rss, now
		}
		if now.Sub(since) >= calm || now.Sub(start) >= atMost {
			return rss, nil
		}
		if err := Sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// Sleep waits for d, or until ctx is done and then returns the cause.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
