package lan

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Enter calls do on a host, or at the switch: processes that it starts and sockets that it opens belong
// there for good.
func (l *LAN) Enter(host int, do func()) error { return EnterNamespace(l.namespace(host), do) }

// EnterNamespace is Enter for a network namespace by its name.
func EnterNamespace(name string, do func()) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + name)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	defer func() {
		// A thread that cannot go back stays locked, and ends with its goroutine.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	do()
	return nil
}
