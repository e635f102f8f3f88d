package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/client"
)

// The variables that the command gets.
const (
	keyEnv   = "LOCKCACHED_KEY"
	tokenEnv = "LOCKCACHED_TOKEN"
	// heldEnv lists the values of all locks that the command runs under, separated by spaces. No
	// two grants have the same value, whatever their servers are called.
	heldEnv = "LOCKCACHED_HELD"
)

// The values of --on-lost: what becomes of a command whose lock is lost.
const (
	lossKills   = "kill"   // it is ended
	lossHolds   = "hold"   // it goes on, and the lock is taken again
	lossIgnored = "ignore" // it goes on
)

// A lockCommand is "lockcached lock".
type lockCommand struct {
	claimCommand
	onLoss  string
	minHold time.Duration // from the grant on
	maxRun  time.Duration // 0: as long as it takes
	exec    bool

	granted time.Time
}

const lockNotes = `
The lock is renewed while the command runs, and released when it ends. If renewals fail, the
command gets TERM when a third of the lease is left, and KILL before the lease ends. TERM, INT,
HUP, QUIT, USR1 and USR2 are passed on to it. It finds the key in $LOCKCACHED_KEY and the fencing
token of its lock in $LOCKCACHED_TOKEN. /bin/sh runs a script without #!. The server may be a plain
memcached.

--on-lost=hold lets a command go on when its lock is lost, and takes the lock again as soon as it is
free; --on-lost=ignore lets it go on without a lock. A command that runs as another user, as under
sudo, cannot be ended: it is treated as with hold.

A wait goes on while the server is restarted. If nobody listens at the start, it tries for 8 seconds;
with --wait or --no-wait, or after any other fault, for some 2 seconds.

With --exec nothing renews or releases the lock: it ends with its TTL, or when the command runs
lockcached release "$LOCKCACHED_KEY" --token "$LOCKCACHED_TOKEN".
`

func newLock() task { return &lockCommand{claimCommand: newClaimCommand()} }

func (l *lockCommand) options() []option {
	return append(l.claimCommand.options(), []option{
		{long: "on-lost", arg: "action", usage: "what to do when the lock is lost: kill, hold or ignore (default: kill)", take: l.setOnLoss},
		{long: "min-hold", arg: "duration", usage: "keep the lock for at least that long, however short the command is", take: l.setMinHold},
		{long: "max-run", arg: "duration", usage: "end a command that runs for longer: TERM, and KILL 10s later", take: positive(&l.maxRun)},
		{long: "exec", usage: "become the command, which takes this process over", take: turnOn(&l.exec)},
	}...)
}

func (l *lockCommand) setOnLoss(value string) error {
	switch value {
	case lossKills, lossHolds, lossIgnored:
		l.onLoss = value
		return nil
	}
	return errors.New("should be one of kill, hold, ignore")
}

func (l *lockCommand) setMinHold(value string) (err error) {
	if l.minHold, err = argv.Duration(value); err == nil && client.CheckTTL(l.minHold) != nil {
		err = errors.New("should end before 19 January 2038, where the protocol's dates end")
	}
	return err
}

func (l *lockCommand) run(a *App, args arguments) error {
	command, err := l.parse(args)
	if err != nil {
		return err
	}
	path, err := findProgram(command[0])
	if err != nil {
		return err
	}
	signals := receiveSignals()
	defer signal.Stop(signals)
	if l.exec {
		return l.become(a, path, command, signals)
	}
	queue := logging.NewQueue(a.Stderr) // the command is ended in time even if nobody reads the messages
	defer queue.Close()
	unread := *a
	unread.Stderr = queue
	a = &unread
	c, lock, err := l.obtain(a, signals, client.KeepAlive())
	if err != nil {
		return err
	}
	defer c.Close()
	l.granted = time.Now()
	if l.isCluster() && l.ttl < client.LeastClusterTTL && !l.quiet {
		fmt.Fprintf(a.Stderr, "lockcached: %s: a TTL of less than %s is too short for a fail-over: if a node is lost, the lock may be, too\n",
			l.key, client.LeastClusterTTL)
	}
	child, err := startProgram(path, command, l.environment(lock))
	if err != nil {
		_ = lock.Unlock() // if that fails, the lease ends soon
		return notRun(command[0], err)
	}
	return l.hold(&guard{lockCommand: l, app: a, client: c, lock: lock, child: child}, signals)
}

// parse returns the command to run.
func (l *lockCommand) parse(args arguments) (command []string, err error) {
	const usage = "lockcached lock KEY [flags] -- COMMAND"
	switch {
	case len(args.words) == 0:
		return nil, exit.Refuse("lock", "needs the key of a lock: "+usage)
	case !args.ended || len(args.behind) == 0:
		return nil, exit.Refuse("lock "+args.words[0], "needs a command behind --: "+usage)
	case len(args.words) > 1:
		return nil, exit.Refuse(args.words[1], "is one word too many in front of --: "+usage)
	case l.exec && (l.onLoss != "" || l.minHold > 0 || l.maxRun > 0):
		return nil, exit.Refuse("--exec", "nobody stays to see to --on-lost, --min-hold or --max-run: leave either out")
	}
	l.key = args.words[0]
	return args.behind, l.finish()
}

// environment returns the environment of the command.
func (l *lockCommand) environment(lock *client.Lock) []string {
	held := strings.TrimSpace(os.Getenv(heldEnv) + " " + lock.Owner())
	return append(os.Environ(), keyEnv+"="+l.key, fmt.Sprint(tokenEnv, "=", lock.Token()), heldEnv+"="+held)
}

// become takes the lock and becomes the command. It returns only if that fails.
func (l *lockCommand) become(a *App, path string, command []string, signals chan os.Signal) error {
	c, lock, err := l.obtain(a, signals)
	if err != nil {
		return err
	}
	defer c.Close()
	signal.Reset() // from here on a signal does to us what it would do to the command
	select {
	case sig := <-signals:
		_ = lock.Unlock()
		return l.notTaken(interruption{sig.(syscall.Signal)})
	default:
	}
	env := l.environment(lock)
	err = unix.Exec(path, command, env)
	if script, ok := asScript(path, command); ok && errors.Is(err, unix.ENOEXEC) {
		err = unix.Exec(shell, script, env)
	}
	_ = lock.Unlock()
	return notRun(command[0], err)
}

// startProgram starts the command.
func startProgram(path string, command, env []string) (*child, error) {
	start := func(path string, args []string) (*child, error) {
		return startChild(&exec.Cmd{Path: path, Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	}
	c, err := start(path, command)
	if script, ok := asScript(path, command); ok && errors.Is(err, unix.ENOEXEC) {
		return start(shell, script)
	}
	return c, err
}

// hold guards the command, releases the lock when it has ended, and returns the error to end with.
func (l *lockCommand) hold(g *guard, signals chan os.Signal) error {
	if !g.child.among && !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(signals, unix.SIGTSTP) // otherwise we would stop alone, and the command outlive its lease
	}
	status := g.run(signals)
	err := l.release(g.lock)
	isLost := errors.Is(err, client.ErrLost)
	switch {
	case g.ended || g.lost && l.onLoss != lossIgnored:
		return exit.With(exitLost, fmt.Errorf("%s: the lock was lost while the command ran; %s", l.key, g.fate(status)))
	case isLost && l.onLoss != lossIgnored:
		return exit.With(exitLost, fmt.Errorf("%s: the lock was lost before the command had ended: %s", l.key, describe(status)))
	case err == nil:
		l.log.Info().Str("key", l.key).Msg("lock released")
	case !isLost:
		fmt.Fprintf(g.app.Stderr, "lockcached: %s: not released, so that it stays locked until its lease ends: %s\n", l.key, l.plainly(err))
	}
	if g.overran {
		return exit.With(exitTooLong, fmt.Errorf("%s: the command ran for longer than %s; %s", l.key, l.maxRun, g.fate(status)))
	}
	if code := exitCode(status); code != 0 {
		return exit.With(code, nil)
	}
	return nil
}

// release releases the lock, or shortens its lease to the rest of --min-hold. If the server is
// away, it gives up when the lease ends: then there is nothing to release.
func (l *lockCommand) release(lock *client.Lock) error {
	rest := l.minHold - time.Since(l.granted)
	done := make(chan error, 1)
	go func() {
		if rest > 0 {
			done <- lock.Leave(context.Background(), rest)
			return
		}
		done <- lock.Unlock()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Until(lock.Expires())):
		return nil
	}
}
