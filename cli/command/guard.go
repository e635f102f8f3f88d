package command

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/client"
)

// A guard makes sure that a command does not outlive its lock, unless that is allowed.
//
// The client renews the lock whenever a third of its lease has passed. If that fails for another
// third, the command has the last third to end: it gets TERM at once, and KILL when the lock's
// context ends, a moment before the lease does. If it turns out that another client has the lock,
// the command has a second at most.
//
// A command that runs as another user cannot be ended. Then, as with --on-lost=hold, the best we can
// do is to take the lock again as soon as it is free.
type guard struct {
	*lockCommand
	app    *App
	client *client.Client
	lock   *client.Lock
	child  *child

	loss    <-chan struct{}  // closed when the lock is lost; nil once that was noticed
	check   time.Time        // when the lease is due to be checked
	timer   *time.Timer      // fires at check
	kill    <-chan time.Time // when the command gets KILL
	regains chan *client.Lock
	stop    context.CancelFunc // ends the claim for the lock that was lost; nil if there is none

	lost     bool   // the lock was lost, at least for some time
	ended    bool   // the command was told to end, because it has no lock
	overran  bool   // ... because it ran for longer than --max-run
	unending error  // why it cannot be ended
	leftover string // what to say about processes that the command has left behind
}

// Times for cleaning up after TERM.
const (
	lostGrace = time.Second // when the lock has been lost
	runGrace  = 10 * time.Second
)

// stoppedFor is how late a check of the lease has to be to mean that we were stopped meanwhile.
const stoppedFor = 200 * time.Millisecond

// run guards the command until it ends, and returns how it ended.
func (g *guard) run(signals <-chan os.Signal) unix.WaitStatus {
	g.regains = make(chan *client.Lock)
	g.watch()
	limit := after(g.maxRun)
	for {
		select {
		case status := <-g.child.changes:
			if !status.Stopped() {
				g.bury()
				return status
			}
			g.child.stopped()
		case sig := <-signals:
			g.pass(sig.(syscall.Signal))
		case <-g.loss:
			g.lose()
		case <-g.timer.C:
			g.checkLease()
		case <-limit:
			g.overrun()
		case <-g.kill:
			g.finishOff()
		case lock := <-g.regains:
			g.goOnWith(lock)
		}
	}
}

// after is time.After, but never fires if d is 0.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

// watch begins to watch a lock.
func (g *guard) watch() {
	g.loss = g.lock.Context().Done()
	g.check = time.Now().Add(g.untilLastThird())
	g.timer = time.NewTimer(time.Until(g.check))
}

func (g *guard) untilLastThird() time.Duration { return time.Until(g.lock.Expires()) - g.ttl/3 }

// mayLive reports whether the command may go on without its lock, or cannot be ended.
func (g *guard) mayLive() bool {
	return g.onLoss == lossHolds || g.onLoss == lossIgnored || g.unending != nil
}

// checkLease ends the command in time if the lease was not renewed.
func (g *guard) checkLease() {
	left := g.untilLastThird()
	if left <= 0 && time.Since(g.check) > stoppedFor {
		left = g.ttl / 10 // the client, which renews, was stopped, too
	}
	switch {
	case g.mayLive():
	case left > 0:
		g.check = time.Now().Add(left)
		g.timer.Reset(left)
	default:
		g.end("the lock could not be renewed")
	}
}

// lose is called when the lock is lost.
func (g *guard) lose() {
	g.loss, g.lost = nil, true
	g.timer.Stop()
	switch {
	case g.mayLive():
		g.goOn("the lock is lost")
	case g.ended:
		g.finishOff()
	case g.end("the lock is lost"):
		g.kill = time.After(min(lostGrace, time.Until(g.lock.Expires())))
	}
}

// end asks a command without a lock to end, even if it is stopped. It reports whether we are
// permitted to.
func (g *guard) end(why string) bool {
	if !g.send(unix.SIGTERM) {
		g.goOn(why)
		return false
	}
	g.ended = true
	g.say("%s; ending the command", why)
	g.send(unix.SIGCONT)
	return true
}

// overrun ends a command that runs for too long. The command keeps its lock until it has ended.
func (g *guard) overrun() {
	g.overran = true
	why := fmt.Sprintf("the command has run for %s", g.maxRun)
	if !g.send(unix.SIGTERM) {
		g.keepOn(why)
		return
	}
	g.say("%s; ending it", why)
	g.send(unix.SIGCONT)
	if g.kill == nil {
		g.kill = time.After(runGrace)
	}
}

// finishOff kills a command that has been asked to end.
func (g *guard) finishOff() {
	switch {
	case g.send(unix.SIGKILL):
	case g.loss == nil:
		g.ended = false
		g.goOn("the lock is lost")
	default:
		g.keepOn("the command does not end")
	}
}

// keepOn says that the command goes on and keeps its lock.
func (g *guard) keepOn(why string) {
	g.say("%s, but cannot be ended: %v; it goes on, and keeps the lock", why, g.unending)
}

// goOn says that the command goes on. If its lock is lost, goOn claims the lock again, except with
// --on-lost=ignore.
func (g *guard) goOn(why string) {
	if g.unending != nil {
		why = fmt.Sprintf("%s, but the command cannot be ended: %v", why, g.unending)
	}
	switch {
	case g.loss != nil:
		g.say("%s; it goes on", why)
	case g.onLoss == lossIgnored:
		g.say("%s; the command goes on", why)
	default:
		g.say("%s; the command goes on, and the lock is taken again as soon as it is free", why)
		g.askAgain()
	}
}

// askAgain claims the lost lock again for a command that goes on, until the command ends.
func (g *guard) askAgain() {
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	go func() { g.regains <- regain(ctx, g.client, g.key, g.log) }()
}

// goOnWith goes on with a lock that was obtained again.
func (g *guard) goOnWith(lock *client.Lock) {
	g.lock, g.stop = lock, nil
	g.say("the lock is held again, with token %d; the command knows the former one", lock.Token())
	g.watch()
}

func (g *guard) say(format string, args ...any) {
	fmt.Fprintf(g.app.Stderr, "lockcached: %s: %s\n", g.key, fmt.Sprintf(format, args...))
}

// send sends a signal to the command, and reports whether we are permitted to.
func (g *guard) send(sig syscall.Signal) bool {
	err := g.child.signal(sig)
	if err != unix.EPERM {
		return true
	}
	g.unending = notOurs(err)
	return false
}

// notOurs adds the usual reason to an error.
func notOurs(err error) error { return fmt.Errorf("%w (does it run as another user?)", err) }

// pass passes a signal on. A command that was stopped for longer than its lease must not go on.
func (g *guard) pass(sig syscall.Signal) {
	switch {
	case sig == unix.SIGPIPE:
	case sig == unix.SIGCONT && !g.mayLive() && time.Now().After(g.lock.Expires()):
		g.send(unix.SIGKILL)
	default:
		if err := g.child.pass(sig); err == unix.EPERM {
			g.say("the signal %q cannot be passed on to the command: %v", sig, notOurs(err))
		}
	}
}

// bury cleans up when the command has ended.
func (g *guard) bury() {
	if g.stop != nil {
		g.stop()
		if lock := <-g.regains; lock != nil {
			g.lock = lock
		}
	}
	if err := g.child.gone(g.ended || g.overran); err != nil {
		g.leftover = fmt.Sprintf("; what it has started cannot be ended, and goes on: %v", err)
	}
}

// fate says what became of a command that had to end, or whose lock was lost.
func (g *guard) fate(status unix.WaitStatus) string {
	switch {
	case g.unending != nil:
		return "it could not be ended: " + describe(status)
	case g.ended || g.overran:
		return "it was ended: " + describe(status) + g.leftover
	}
	return "it went on: " + describe(status)
}

// exitCode is the exit code of the command, as a shell would report it.
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
