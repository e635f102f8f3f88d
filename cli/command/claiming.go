package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/client"
)

// A claimCommand is what "lockcached lock" and "lockcached acquire" have in common: it takes a lock.
type claimCommand struct {
	remote
	ttl      time.Duration
	wait     time.Duration
	waits    bool // wait is given
	noWait   bool
	strategy client.Strategy
	owner    string
	quiet    bool
	conflict int // exit code if another client has the lock
	verbose  bool
	key      string
	log      zerolog.Logger
	client   *client.Client
}

func newClaimCommand() claimCommand {
	return claimCommand{remote: newRemote(), ttl: client.DefaultTTL, conflict: exitNotTaken}
}

// options are the flags that say how to claim. Their letters are those of flock(1).
func (l *claimCommand) options() []option {
	return append(l.serverOptions(), []option{
		{long: "ttl", arg: "duration", usage: "the lease, in whole seconds (default: " + client.DefaultTTL.String() + ")", take: l.setTTL},
		{short: "w", long: "wait", arg: "duration", usage: "how long to wait for the lock; 0 asks once (default: as long as it takes)", take: func(value string) (err error) {
			l.wait, err = argv.Duration(value)
			l.waits = true
			return err
		}},
		{short: "n", long: "no-wait", usage: "do not wait", take: turnOn(&l.noWait)},
		{long: "strategy", arg: "name", usage: "how to wait: " + strings.Join(strategies(), ", ") + " (default: auto)", take: func(value string) (err error) {
			if l.strategy, err = client.ParseStrategy(value); err != nil {
				return errors.New("should be one of " + strings.Join(strategies(), ", "))
			}
			return nil
		}},
		{long: "owner", arg: "text", usage: "the owner that others see (default: host name and process id)", take: func(value string) error {
			l.owner = value
			return nil
		}},
		{short: "q", long: "quiet", usage: "do not say that somebody else has the lock, or that a server is away", take: turnOn(&l.quiet)},
		{short: "E", long: "conflict-exit-code", arg: "num", usage: "the exit code when somebody else has the lock (default: " + strconv.Itoa(exitNotTaken) + ")", take: l.setConflict},
		{short: "v", long: "verbose", counted: true, usage: "log retries, and when the lock is taken and released, on stderr", take: turnOn(&l.verbose)},
	}...)
}

func (l *claimCommand) setTTL(value string) (err error) {
	if l.ttl, err = argv.Duration(value); err == nil && (l.ttl < time.Second || client.CheckTTL(l.ttl) != nil) {
		err = errors.New("should be at least 1s, and end before 19 January 2038, where the protocol's dates end")
	}
	return err
}

func (l *claimCommand) setConflict(value string) (err error) {
	const most = 255 // what fits into an exit code
	if l.conflict, err = strconv.Atoi(value); err != nil || l.conflict < 0 || l.conflict > most {
		err = errors.New("should be a number from 0 to 255")
	}
	return err
}

func strategies() (names []string) {
	for s := client.Auto; s <= client.Exponential; s++ {
		names = append(names, s.String())
	}
	return names
}

// finish checks what depends on more than one flag, and the key.
func (l *claimCommand) finish() error {
	if l.noWait && l.waits {
		return exit.Refuse("--no-wait", "give either --wait or --no-wait")
	}
	return cmp.Or(checkKey(l.key), l.remote.finish())
}

// receiveSignals receives the signals that end a wait, or are passed on to a command. A signal that
// is ignored already, as under nohup, stays ignored for the command, too.
func receiveSignals() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, sig := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT,
		// We receive it so that it does not end us. If we ignored it, the command would, too.
		syscall.SIGPIPE,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// obtain takes the lock, unless a signal comes first. It returns the error to end with.
func (l *claimCommand) obtain(a *App, signals <-chan os.Signal, opts ...client.Option) (*client.Client, *client.Lock, error) {
	l.log = zerolog.Nop()
	if l.verbose {
		l.log = logging.New(a.Stderr, logging.Auto, logging.NewLevel(zerolog.DebugLevel))
	}
	if err := l.connect(); err != nil {
		return nil, nil, err
	}
	if l.isNested() {
		_ = l.client.Close()
		return nil, nil, exit.With(exitNotTaken, fmt.Errorf(
			"%s: lock not obtained: the lockcached lock that this command runs under has it, and waiting for that would never end", l.key))
	}
	lock, err := l.askUntilSignal(a, signals, opts)
	if err != nil {
		_ = l.client.Close() // releases the lock if it was granted all the same
		return nil, nil, l.notTaken(err)
	}
	l.log.Info().Str("key", l.key).Uint64("token", lock.Token()).Str("owner", lock.Owner()).Msg("lock taken")
	return l.client, lock, nil
}

// connect makes the client, of single servers or of a cluster.
func (l *claimCommand) connect() error {
	if err := l.discover(); err != nil {
		return err
	}
	c := l.config()
	c.TTL, c.Owner, c.Strategy, c.Logger = l.ttl, l.owner, l.strategy, slog.New(zerolog.NewSlogHandler(l.log))
	var err error
	if l.client, err = client.New(c); err != nil {
		return l.notTaken(err)
	}
	return nil
}

// reconnect makes another client if the servers turn out to be nodes of a cluster: none of them had
// said so before.
func (l *claimCommand) reconnect() error {
	if l.isCluster() {
		return nil
	}
	before := l.client
	if err := l.discover(); err != nil || !l.isCluster() {
		return err
	}
	_ = before.Close()
	return l.connect()
}

// isNested reports whether one of the "lockcached lock" commands that this process runs under has
// the lock now. It ignores servers that do not answer: the claim will report them.
func (l *claimCommand) isNested() bool {
	owners := strings.Fields(os.Getenv(heldEnv))
	if len(owners) == 0 {
		return false
	}
	isOurs := func(item *memcache.Item) bool { return item != nil && slices.Contains(owners, string(item.Value)) }
	if l.isCluster() {
		found, _ := l.client.Read(context.Background(), l.key)
		return isOurs(found[l.key])
	}
	return slices.ContainsFunc(l.servers, func(server string) bool {
		mc := l.memcached(server)
		defer mc.Close()
		item, _ := mc.Get(l.key) // nil with an error
		return isOurs(item)
	})
}

// askUntilSignal takes the lock, unless a signal comes first.
func (l *claimCommand) askUntilSignal(a *App, signals <-chan os.Signal, opts []client.Option) (*client.Lock, error) {
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
	lock, err := l.ask(ctx, a, opts)
	close(granted)
	watch.Wait()
	if err == nil && ctx.Err() != nil { // granted and interrupted at the same moment
		_ = lock.Unlock()
		return nil, context.Cause(ctx)
	}
	return lock, err
}

// An interruption is a signal that came before the lock was obtained.
type interruption struct{ sig syscall.Signal }

func (i interruption) Error() string { return i.sig.String() }

// notTaken returns the error that says why there is no lock, with its exit code.
func (l *claimCommand) notTaken(err error) error {
	if sig, ok := errors.AsType[interruption](err); ok {
		return exit.With(exitSignal+int(sig.sig), fmt.Errorf("%s: %w while waiting for the lock", l.key, sig))
	}
	if held, ok := errors.AsType[*client.HeldError](err); ok {
		return exit.With(l.conflict, l.unlessQuiet(held))
	}
	switch {
	case errors.Is(err, client.ErrKey):
		return exit.Refuse("key "+l.key, "should be 1 to 250 bytes without spaces and control characters, and not begin with lockcached:")
	case errors.Is(err, client.ErrPlain):
		return exit.Refuse("--strategy "+l.strategy.String(), "needs lockcached, and this server is a plain memcached; use auto")
	}
	why := strings.TrimPrefix(l.plainly(err), "lock "+l.key+": ")
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		why = fmt.Sprintf("the server's name %s cannot be resolved: %s", dns.Name, dns.Err)
	}
	return exit.With(exitNotTaken, fmt.Errorf("%s: lock not obtained: %s", l.key, why))
}

// unlessQuiet says that another client has the lock, or why the lock is closed; nil with --quiet.
func (l *claimCommand) unlessQuiet(held *client.HeldError) error {
	if l.quiet {
		return nil
	}
	why := fmt.Errorf("%s: lock not obtained: %s", l.key, cmp.Or(l.whyClosed(l.key), "somebody else has it"))
	if l.wait > 0 {
		why = fmt.Errorf("%w, and the wait of %s is over", why, about(held.Waited))
	}
	return why
}
