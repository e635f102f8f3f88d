package transcripts_test

import (
	"context"
	"flag"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// TestTranscripts plays every transcript against lockcached in virtual time,
// once as it stands and once a byte at a time. With -update it rewrites those
// that are lockcached's alone; the others are memcached's to write.
func TestTranscripts(t *testing.T) {
	for _, script := range readTranscripts(t) {
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlayer(startLockcached(t, script.flags, false))
				defer p.hangUpAll()
				if *update && script.only {
					p.rewrite(t, script)
					return
				}
				p.play(t, script)
			})
		})
	}
}

func TestTranscriptsByteAtATime(t *testing.T) {
	for _, script := range readTranscripts(t) {
		if script.whole {
			continue
		}
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlayer(startLockcached(t, script.flags, true))
				defer p.hangUpAll()
				p.play(t, script)
			})
		})
	}
}

// startLockcached starts a server for the bubble that it is called in.
func startLockcached(t *testing.T, flags []string, bytewise bool) peer {
	t.Helper()
	config, lockConfig, err := configure(flags)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	config.Locks = locks.NewManager(lockConfig)
	go config.Locks.Run(ctx)
	s := server.New(config)
	listener := newPipeListener()
	go s.Serve(listener)
	t.Cleanup(func() {
		_ = s.Shutdown(ctx)
		cancel()
		time.Sleep(time.Minute) // what looks after things now and then sees that it is over
	})
	return peer{
		dial:   func() (net.Conn, error) { return listener.dial(bytewise) },
		settle: synctest.Wait,
	}
}

// configure translates the flags that transcripts use.
func configure(args []string) (server.Config, locks.Config, error) {
	s := server.Config{Settings: server.Settings{Umask: 0o700, Protocol: "auto-negotiate"}}
	var l locks.Config
	flags := flag.NewFlagSet("flags", flag.ContinueOnError)
	flags.BoolVar(&l.NoEvict, "M", false, "")
	flags.BoolVar(&s.NoFlush, "F", false, "")
	flags.BoolVar(&s.NoDump, "X", false, "")
	flags.IntVar(&s.MaxConns, "c", 0, "")
	flags.BoolFunc("A", "", func(string) error {
		s.Shutdown = func(bool) {}
		return nil
	})
	flags.Func("m", "", func(text string) error {
		megabytes, err := strconv.ParseInt(text, 10, 64)
		l.MemoryLimit = megabytes << 20
		return err
	})
	flags.Func("I", "", func(text string) (err error) {
		l.ItemSizeMax, err = parseSize(text)
		return err
	})
	flags.Func("Y", "", func(file string) error {
		passwords, err := credentials.LoadPasswords(file)
		if err != nil {
			return err
		}
		s.Authenticate, s.Settings.AuthFile, s.Settings.Protocol = passwords.Match, file, "ascii"
		return nil
	})
	flags.Func("D", "", func(text string) error {
		l.ClassDelimiter, s.Settings.StatKeyPrefix, s.Settings.DetailEnabled = text[0], text[0], true
		return nil
	})
	flags.Func("o", "", func(text string) error {
		// The other options are about what lockcached does not have.
		seconds, isTimeout := strings.CutPrefix(text, "idle_timeout=")
		if !isTimeout {
			s.Settings.NoLRUCrawler = text == "no_lru_crawler"
			return nil
		}
		n, err := strconv.Atoi(seconds)
		s.IdleTimeout = time.Duration(n) * time.Second
		return err
	})
	flags.Func("lock-keys", "", func(pattern string) error {
		l.LockKeys = append(l.LockKeys, pattern)
		return nil
	})
	flags.Func("wait", "", func(policy string) error {
		pattern, wait, _ := strings.Cut(policy, "=")
		d, err := time.ParseDuration(wait)
		s.WaitPolicies = append(s.WaitPolicies, server.WaitPolicy{Pattern: pattern, Wait: d})
		return err
	})
	flags.Func("lock-delay", "", func(text string) error {
		pattern, delay, _ := strings.Cut(text, "=")
		d, err := time.ParseDuration(delay)
		l.LockDelays = append(l.LockDelays, locks.LockDelay{Pattern: pattern, Delay: d})
		return err
	})
	flags.DurationVar(&l.Settle, "settle", 0, "")
	flags.DurationVar(&l.MaxWait, "max-wait", 0, "")
	flags.IntVar(&l.MaxWaiters, "max-waiters", 0, "")
	flags.IntVar(&l.MaxWaitersTotal, "max-waiters-total", 0, "")
	flags.DurationVar(&s.RequestTimeout, "request-timeout", 0, "")
	return s, l, flags.Parse(args)
}

// parseSize reads bytes, or kilobytes or megabytes with a k or m behind.
func parseSize(text string) (int, error) {
	shift := 0
	switch text[len(text)-1] {
	case 'k':
		shift = 10
	case 'm':
		shift = 20
	}
	n, err := strconv.Atoi(strings.TrimRight(text, "km"))
	return n << shift, err
}
