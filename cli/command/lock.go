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

// What the command finds in its environment.
const (
	keyEnv   = "LOCKCACHED_KEY"
	tokenEnv = "LOCKCACHED_TOKEN"
	// heldEnv lists the values of all locks that the command runs below, separated by
	// spaces. No two grants have the same, whatever their servers are called.
	heldEnv = "LOCKCACHED_HELD"
)

// What can become of a command whose lock is lost.
const (
	lossKills   = "kill"   // it is ended
	lossHolds   = "hold"   // it goes on, and the lock is taken again
	lossIgnored = "ignore" // it goes on
)

// A holding is "lockcached lock".
type holding struct {
	claiming
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
token of its lock in $LOCKCACHED_TOKEN. A script without #! is run by /bin/sh. A plain memcached
will do.

--on-lost=hold lets a command go on whose lock is lost, and takes the lock again as soon as it is
free; --on-lost=ignore lets it go on without. A command that runs as another user, as sudo's do,
cannot be ended: it is treated as with hold.

A wait goes on while the server is restarted. Where nobody listens in the first place it tries for
8 seconds; with --wait or --no-wait, and with any other fault, for some 2 seconds.

With --exec nothing renews or releases the lock: it ends by its TTL, or when the command runs
lockcached release "$LOCKCACHED_KEY" --token "$LOCKCACHED_TOKEN".
`

func newLock() task { return &holding{claiming: newClaiming()} }

func (l *holding) options() []option {
	return append(l.claiming.options(), []option{
		{long: "on-lost", arg: "action", usage: "what to do when the lock is lost: kill, hold or ignore (default: kill)", take: l.setOnLoss},
		{long: "min-hold", arg: "duration", usage: "keep the lock so long at least, however short the command is", take: l.setMinHold},
		{long: "max-run", arg: "duration", usage: "end a command that runs for longer: TERM, and KILL 10s later", take: positive(&l.maxRun)},
		{long: "exec", usage: "become the command, which takes this process over", take: turnOn(&l.exec)},
	}...)
}

func (l *holding) setOnLoss(value string) error {
	switch value {
	case lossKills, lossHolds, lossIgnored:
		l.onLoss = value
		return nil
	}
	return errors.New("should be one of kill, hold, ignore")
}

func (l *holding) setMinHold(value string) (err error) {
	if l.minHold, err = argv.Duration(value); err == nil && client.CheckTTL(l.minHold) != nil {
		err = errors.New("should end before 19 January 2038, where the protocol's dates end")
	}
	return err
}

func (l *holding) run(a *App, args arguments) error {
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
	queue := logging.NewQueue(a.Stderr) // nobody has to read what is said before the command is ended
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
	child, err := startProgram(path, command, l.environment(lock))
	if err != nil {
		_ = lock.Unlock() // if it fails, the lease ends soon
		return notRun(command[0], err)
	}
	return l.hold(&guard{holding: l, app: a, client: c, lock: lock, child: child}, signals)
}

// parse returns the command that is to be run.
func (l *holding) parse(args arguments) (command []string, err error) {
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

// environment is what the command finds in it.
func (l *holding) environment(lock *client.Lock) []string {
	held := strings.TrimSpace(os.Getenv(heldEnv) + " " + lock.Owner())
	return append(os.Environ(), keyEnv+"="+l.key, fmt.Sprint(tokenEnv, "=", lock.Token()), heldEnv+"="+held)
}

// become takes the lock and becomes the command: it returns only if that failed.
func (l *holding) become(a *App, path string, command []string, signals chan os.Signal) error {
	c, lock, err := l.obtain(a, signals)
	if err != nil {
		return err
	}
	defer c.Close()
	signal.Reset() // whatever comes from here on does to us what it would do to the command
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

// hold guards the command while we have the lock, and says how that ended.
func (l *holding) hold(g *guard, signals chan os.Signal) error {
	if !g.child.among && !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(signals, unix.SIGTSTP) // or we would stop alone, and the command outlive its lease
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

// release gives the lock back, or leaves it the rest of --min-hold. If the server is
// away it does not try for longer than the lease lasts: then there is nothing to give
// back.
func (l *holding) release(lock *client.Lock) error {
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
