package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/admin"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

// spareFiles is how many descriptors are needed besides one for each connection: for listeners,
// logs, the runtime, and for a client that is told that there are too many connections.
const spareFiles = 64

// raiseFileLimit makes room for as many connections as -c allows, and for those of --admin. If
// that fails, it only warns: the server serves, but refuses connections sooner.
func raiseFileLimit(c *config) {
	need := uint64(c.server.MaxConns) + spareFiles
	if c.admin.at != nil {
		need += admin.MaxConns
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		c.warn("cannot read the limit of open files: %v", err)
		return
	}
	if limit.Cur >= need {
		return
	}
	wanted := syscall.Rlimit{Cur: need, Max: max(need, limit.Max)}
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	if err == nil {
		return
	}
	// Only root may raise the hard limit; any user may go up to it.
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	c.warn("-c %d needs %d open files, the limit is %d (%v): raise it, or lower -c", c.server.MaxConns, need, limit.Cur, err)
}

// becomeUser gives up root for the user of -u. Unlike memcached, it only warns about root without
// -u: in a container programs usually start like that.
func becomeUser(c *config) error {
	name := c.user
	if os.Geteuid() != 0 {
		if u, err := user.Current(); name != "" && (err != nil || u.Username != name) {
			c.warn("-u %s has no effect: not started as root", name)
		}
		return nil
	}
	if name == "" {
		c.warn("running as root; give -u USER to become another user, or -u root if this is meant")
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return exit.Refuse("-u "+name, "can't find the user to switch to; name one of this machine's")
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return setIDs(name, uid, gid)
}

func setIDs(name string, uid, gid int) error {
	// A process with few rights may not do even this; it has few to lose, and goes on.
	if err := syscall.Setgroups(nil); err != nil && !errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("-u %s: cannot leave root's groups: %w", name, err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("-u %s: cannot take the user's group: %w", name, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("-u %s: cannot become the user: %w", name, err)
	}
	return nil
}

// writePID writes the pid file, and returns a function that removes it. As in memcached, the
// server serves even if that fails.
func writePID(name string, log zerolog.Logger) (remove func()) {
	if name == "" {
		return func() {}
	}
	if old, err := os.ReadFile(name); err == nil {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(old)))
		if err == nil && pid > 0 && pid != os.Getpid() && syscall.Kill(pid, 0) == nil {
			log.Warn().Int("pid", pid).Str("file", name).Msg("the pid file names a process that runs")
		}
	}
	if err := writeFile(name, strconv.Itoa(os.Getpid())+"\n"); err != nil {
		log.Error().Err(err).Msg("cannot write the pid file")
		return func() {}
	}
	return func() {
		if err := os.Remove(name); err != nil {
			log.Warn().Err(err).Msg("cannot remove the pid file")
		}
	}
}
