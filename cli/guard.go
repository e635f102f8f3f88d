package cli

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/client"
)

// A guard sees to it that a command does not outlive its lock.
//
// The client renews the lock whenever a third of its lease is over. If that fails for
// a second third, the last one is for the command to end in: TERM when it begins,
// KILL when the lock's context ends, a moment before the lease does. If the lock turns
// out to be somebody else's, there is a second of grace at most.
type guard struct {
	*holding
	app   *app
	lock  *client.Lock
	child *child
	ended bool // the command was told to end, for want of the lock
}

// lostGrace is the time for cleaning up when the lock is lost already.
const lostGrace = time.Second

// stoppedFor is by how much a look at the lease is late if we were stopped meanwhile.
const stoppedFor = 200 * time.Millisecond

// run returns how the command ended.
func (g *guard) run(signals <-chan os.Signal) unix.WaitStatus {
	look := time.Now().Add(g.untilLastThird())
	timer := time.NewTimer(time.Until(look))
	lost := g.lock.Context().Done()
	for {
		select {
		case status := <-g.child.changes:
			if status.Stopped() {
				g.child.stopped()
				continue
			}
			g.child.gone(g.ended)
			return status
		case sig := <-signals:
			g.pass(sig.(syscall.Signal))
		case <-lost:
			lost = nil
			if g.ended {
				g.child.signal(unix.SIGKILL)
				continue
			}
			g.end("the lock is lost")
			timer.Reset(min(lostGrace, time.Until(g.lock.Expires())))
		case <-timer.C:
			left := g.untilLastThird()
			if left <= 0 && time.Since(look) > stoppedFor {
				left = g.ttl / 10 // who renews was stopped, too
			}
			switch {
			case lost == nil:
				g.child.signal(unix.SIGKILL)
			case left > 0:
				look = time.Now().Add(left)
				timer.Reset(left)
			default:
				g.end("the lock could not be renewed")
			}
		}
	}
}

func (g *guard) untilLastThird() time.Duration { return time.Until(g.lock.Expires()) - g.ttl/3 }

// end asks the command to end, also if it is stopped.
func (g *guard) end(why string) {
	g.ended = true
	fmt.Fprintf(g.app.stderr, "lockcached: %s: %s; ending the command\n", g.key, why)
	g.child.signal(unix.SIGTERM)
	g.child.signal(unix.SIGCONT)
}

// pass hands a signal on. Who was stopped for longer than the lease must not go on.
func (g *guard) pass(sig syscall.Signal) {
	switch {
	case sig == unix.SIGPIPE:
	case sig == unix.SIGCONT && time.Now().After(g.lock.Expires()):
		g.child.signal(unix.SIGKILL)
	default:
		g.child.pass(sig)
	}
}

// exitCode is that of the command, as a shell would tell it.
func exitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return status.ExitStatus()
}

func describe(status unix.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
