package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/client"
)

// Exit codes of "lockcached lock" that are not the command's. Those from
// sysexits.h are hardly used by other programs, the last two are the shells'.
const (
	exitLost     = 74 // EX_IOERR: the lock was lost while the command ran
	exitNotTaken = 75 // EX_TEMPFAIL: the lock was not obtained
	exitNotRun   = 126
	exitNotFound = 127
	exitSignal   = 128 // and the signal's number
)

// What the command finds in its environment.
const (
	keyEnv   = "LOCKCACHED_KEY"
	tokenEnv = "LOCKCACHED_TOKEN"
)

// A holding is "lockcached lock".
type holding struct {
	remote
	ttl      time.Duration
	wait     time.Duration
	waits    bool // wait is given
	noWait   bool
	strategy client.Strategy
	owner    string
	verbose  bool
	key      string
	log      zerolog.Logger
}

const lockNotes = `
The lock is renewed while the command runs, and released when it ends. If renewals fail, the
command gets TERM when a third of the lease is left, and KILL before the lease ends. TERM, INT,
HUP, QUIT, USR1 and USR2 are passed on to it. It finds the key in $LOCKCACHED_KEY and the fencing
token of its lock in $LOCKCACHED_TOKEN. A plain memcached will do.

Exit codes:
  that of the command, or 128 and the number of the signal that ended it; and
  2    the command line is wrong
  74   the lock was lost while the command ran, which was ended
  75   the lock was not obtained: others have it, or the server is away
  126  the command cannot be executed
  127  the command was not found
`

func newLock() task { return &holding{ttl: client.DefaultTTL} }

func (l *holding) options() []option {
	return append(l.serverOptions(), []option{
		{flag: flag{long: "ttl", arg: "duration", usage: "the lease, in whole seconds (default: " + client.DefaultTTL.String() + ")"}, take: l.setTTL},
		{flag: flag{long: "wait", arg: "duration", usage: "how long to wait for the lock (default: as long as it takes)"}, take: func(value string) (err error) {
			l.wait, err = parseDuration(value)
			l.waits = true
			return err
		}},
		{flag: flag{long: "no-wait", usage: "do not wait"}, take: func(string) error {
			l.noWait = true
			return nil
		}},
		{flag: flag{long: "strategy", arg: "name", usage: "how to wait: " + strings.Join(strategies(), ", ") + " (default: auto)"}, take: func(value string) (err error) {
			if l.strategy, err = client.ParseStrategy(value); err != nil {
				return errors.New("should be one of " + strings.Join(strategies(), ", "))
			}
			return nil
		}},
		{flag: flag{long: "owner", arg: "text", usage: "who takes the lock, for those who look at it (default: host name and process id)"}, take: func(value string) error {
			l.owner = value
			return nil
		}},
		{flag: flag{short: "v", long: "verbose", counted: true, usage: "log retries, and when the lock is taken and released, on stderr"}, take: func(string) error {
			l.verbose = true
			return nil
		}},
	}...)
}

func (l *holding) setTTL(value string) (err error) {
	const least, most = time.Second, 30 * 24 * time.Hour
	if l.ttl, err = parseDuration(value); err == nil && (l.ttl < least || l.ttl > most) {
		err = errors.New("should be from 1s to 720h")
	}
	return err
}

func strategies() (names []string) {
	for s := client.Auto; s <= client.Exponential; s++ {
		names = append(names, s.String())
	}
	return names
}

func (l *holding) run(a *app, args arguments) error {
	command, err := l.parse(args)
	if err != nil {
		return err
	}
	// Before the lock is taken: who mistypes must not make others wait.
	path, err := exec.LookPath(command[0])
	if err != nil {
		return notRun(command[0], err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, notIgnored()...)
	defer signal.Stop(signals)

	l.log = zerolog.Nop()
	if l.verbose {
		l.log = newLogger(a.stderr, formatAuto, zerolog.DebugLevel)
	}
	c, err := client.New(client.Config{
		Servers: l.servers, TLS: l.tls, User: l.user, Password: l.password,
		TTL: l.ttl, Owner: l.owner, Strategy: l.strategy, Logger: l.log,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	lock, err := l.obtain(c, signals)
	if err != nil {
		return l.notTaken(err)
	}
	l.log.Info().Str("key", l.key).Uint64("token", lock.Token()).Str("owner", lock.Owner()).Msg("lock taken")
	return l.hold(a, lock, &exec.Cmd{
		Path: path, Args: command, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: append(os.Environ(), keyEnv+"="+l.key, fmt.Sprint(tokenEnv, "=", lock.Token())),
	}, signals)
}

// parse returns the command that is to be run.
func (l *holding) parse(args arguments) (command []string, err error) {
	const usage = "lockcached lock KEY [flags] -- COMMAND"
	switch {
	case len(args.words) == 0:
		return nil, refusal{"lock", "needs the key of a lock: " + usage}
	case !args.ended || len(args.behind) == 0:
		return nil, refusal{"lock " + args.words[0], "needs a command behind --: " + usage}
	case len(args.words) > 1:
		return nil, refusal{args.words[1], "is one word too many in front of --: " + usage}
	case l.noWait && l.waits:
		return nil, refusal{"--no-wait", "give either --wait or --no-wait"}
	}
	l.key = args.words[0]
	return args.behind, cmp.Or(checkKey(l.key), l.finish())
}

// notIgnored are the signals that are passed on. One that is ignored, as nohup has
// it, stays so for the command, too.
func notIgnored() (list []os.Signal) {
	for _, sig := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT,
		// Only so that it ends neither us nor, by being ignored, is handed down.
		syscall.SIGPIPE,
	} {
		if !signal.Ignored(sig) {
			list = append(list, sig)
		}
	}
	return list
}

// obtain takes the lock, unless a signal comes first.
func (l *holding) obtain(c *client.Client, signals <-chan os.Signal) (*client.Lock, error) {
	ctx, interrupt := context.WithCancelCause(context.Background())
	var watch sync.WaitGroup
	granted := make(chan struct{})
	watch.Go(func() {
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGCONT && sig != syscall.SIGPIPE {
					interrupt(interruption{sig.(syscall.Signal)})
					return
				}
			case <-granted:
				return
			}
		}
	})
	take, opts := c.Lock, []client.Option{client.KeepAlive()}
	if l.noWait {
		take = c.TryLock
	}
	if l.waits {
		opts = append(opts, client.Wait(l.wait))
	}
	lock, err := take(ctx, l.key, opts...)
	close(granted)
	watch.Wait()
	if err == nil && ctx.Err() != nil { // both happened in the same moment
		_ = lock.Unlock()
		return nil, context.Cause(ctx)
	}
	return lock, err
}

// An interruption is a signal that came before the command could be started.
type interruption struct{ sig syscall.Signal }

func (i interruption) Error() string { return i.sig.String() }

// notTaken says why there is no lock, and with what exit code.
func (l *holding) notTaken(err error) error {
	if sig, ok := errors.AsType[interruption](err); ok {
		return failure{exitSignal + int(sig.sig), fmt.Errorf("%s: %w while waiting for the lock", l.key, sig)}
	}
	if held, ok := errors.AsType[*client.HeldError](err); ok {
		why := fmt.Errorf("%s: lock not obtained: somebody else has it", l.key)
		if held.Waited > 0 {
			why = fmt.Errorf("%w, and the wait of %s is over", why, about(held.Waited))
		}
		return failure{exitNotTaken, why}
	}
	switch {
	case errors.Is(err, client.ErrKey):
		return refusal{"key " + l.key, "should be 1 to 200 bytes, and not begin with lockcached:"}
	case errors.Is(err, client.ErrPlain):
		return refusal{"--strategy " + l.strategy.String(), "needs lockcached, and this server is a plain memcached; use auto"}
	}
	why := strings.TrimPrefix(l.plainly(err), "lock "+l.key+": ")
	return failure{exitNotTaken, fmt.Errorf("%s: lock not obtained: %s", l.key, why)}
}

// release gives the lock back. If the server is away it does not try for longer than
// the lease lasts: then there is nothing to give back.
func release(lock *client.Lock) error {
	done := make(chan error, 1)
	go func() { done <- lock.Unlock() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Until(lock.Expires())):
		return nil
	}
}

// notRun says why the command cannot be run, and with what exit code.
func notRun(command string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return failure{exitNotFound, fmt.Errorf("%s: command not found", command)}
	}
	return failure{exitNotRun, fmt.Errorf("%s: cannot be executed: %w", command, errors.Unwrap(err))}
}

// hold runs the command while we have the lock.
func (l *holding) hold(a *app, lock *client.Lock, cmd *exec.Cmd, signals chan os.Signal) error {
	c, err := startChild(cmd)
	if err != nil {
		_ = lock.Unlock() // if it fails, the lease ends soon
		return notRun(cmd.Args[0], err)
	}
	if !c.among && !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(signals, unix.SIGTSTP) // or we would stop alone, and the command outlive its lease
	}
	g := &guard{holding: l, app: a, lock: lock, child: c}
	status := g.run(signals)
	err = release(lock)
	switch {
	case g.ended:
		return failure{exitLost, fmt.Errorf("%s: the lock was lost while the command ran; it was ended: %s", l.key, describe(status))}
	case errors.Is(err, client.ErrLost):
		return failure{exitLost, fmt.Errorf("%s: the lock was lost before the command had ended: %s", l.key, describe(status))}
	case err != nil:
		fmt.Fprintf(a.stderr, "lockcached: %s: not released, so that it stays locked until its lease ends: %s\n", l.key, l.plainly(err))
	default:
		l.log.Info().Str("key", l.key).Msg("lock released")
	}
	if code := exitCode(status); code != 0 {
		return failure{code: code}
	}
	return nil
}
