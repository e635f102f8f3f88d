package transcripts_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// TestTranscripts plays every transcript against lockcached in virtual time, once as it
// stands and once a byte at a time. With -update it rewrites those that are lockcached's
// alone; TestTranscriptsAgainstMemcached writes the others.
func TestTranscripts(t *testing.T) {
	for _, script := range readTranscripts(t) {
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlayer(startLockcached(t, script, false))
				defer p.hangUpAll()
				if *update && script.only {
					p.rewrite(t, script)
					return
				}
				if err := p.play(script); err != nil {
					t.Fatal(err)
				}
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
				p := newPlayer(startLockcached(t, script, true))
				defer p.hangUpAll()
				if err := p.play(script); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// startLockcached starts a server for the bubble that it is called in.
func startLockcached(t *testing.T, script *transcript, bytewise bool) peer {
	t.Helper()
	config, lockConfig, err := daemon.Configure(script.flags)
	if err != nil {
		t.Fatal(err)
	}
	config.Locks = newLocks(t, lockConfig)
	return listen(t, server.New(config), script, bytewise)
}

// newLocks returns a Manager that runs until the test is over.
func newLocks(t *testing.T, config locks.Config) *locks.Manager {
	ctx, cancel := context.WithCancel(context.Background())
	m := locks.NewManager(config)
	go m.Run(ctx)
	t.Cleanup(func() {
		cancel()
		time.Sleep(time.Minute) // periodic work notices within that time that the server has ended
	})
	return m
}

// listen has a server serve until the test is over.
func listen(t *testing.T, s *server.Server, script *transcript, bytewise bool) peer {
	listener := newPipeListener()
	go s.Serve(listener)
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	p := peer{
		dial:   func() (net.Conn, error) { return listener.dial(bytewise) },
		settle: synctest.Wait,
	}
	if script.late {
		p.patience = 5 * time.Second
	}
	return p
}
