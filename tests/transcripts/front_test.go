package transcripts_test

import (
	"context"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/stats"
)

// TestTranscriptsThroughAFront plays every transcript against a node of a cluster that serves
// no key itself. It leaves out what each node answers from its own memory.
func TestTranscriptsThroughAFront(t *testing.T) {
	for _, script := range readTranscripts(t) {
		if script.alone {
			continue
		}
		script.steps = slices.DeleteFunc(script.steps, isForOneNode)
		t.Run(script.name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPlayer(startFront(t, script))
				defer p.hangUpAll()
				if err := p.play(script); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// forOneNode matches steps that ask for statistics, but for those of one lock, or for a list.
var forOneNode = regexp.MustCompile(`^[A-Z]> "?(stats($| [^lf]| locks| fills)|lru_crawler m|(get|mg) lockcached:(class:|held:|fills))|` +
	`^[A-Z]>> (.* )?stat key=("detail d|items|slabs|"class|classes|held|contended|locks|fills)`)

func isForOneNode(s step) bool { return forOneNode.MatchString(s.source) }

// startFront starts two servers for the bubble that it is called in, of which the one that
// clients are connected to serves no key.
func startFront(t *testing.T, script *transcript) peer {
	t.Helper()
	config, lockConfig, err := daemon.Configure(script.flags)
	if err != nil {
		t.Fatal(err)
	}
	config.Locks = newLocks(t, lockConfig)
	owner := server.New(config)
	t.Cleanup(func() { _ = owner.Shutdown(context.Background()) })
	config.Cluster = &onlyOwner{owner: owner, locks: config.Locks, sessions: map[uint64]*server.Remote{}}
	config.Locks = newLocks(t, lockConfig)
	return listen(t, server.New(config), script, false)
}

// onlyOwner is a cluster in which another node serves all keys.
type onlyOwner struct {
	owner *server.Server
	locks *locks.Manager // of the owner

	mu       sync.Mutex // guards sessions
	sessions map[uint64]*server.Remote
}

func (o *onlyOwner) session(id uint64, client string) *server.Remote {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sessions[id] == nil {
		o.sessions[id] = o.owner.OpenRemote(client)
	}
	return o.sessions[id]
}

func (o *onlyOwner) Local([]byte) bool { return false }

func (o *onlyOwner) Call(c *server.Call) {
	o.session(c.Session, c.Client).Do(c.Text, c.Claim, time.Since(c.Since), c.Done)
}

func (o *onlyOwner) Hurry(c *server.Call) { o.session(c.Session, c.Client).Hurry() }

func (o *onlyOwner) Cancel(c *server.Call) { o.session(c.Session, c.Client).Cancel() }

func (o *onlyOwner) Withdraw(key []byte, token uint64) { _ = o.locks.Withdraw(key, token) }

func (o *onlyOwner) CloseSession(id uint64) { o.session(id, "").Close() }

func (o *onlyOwner) FlushAll(delay time.Duration) error {
	if delay <= 0 {
		_, _ = o.locks.Flush(new(locks.Session)) // not the session of a holder
	} else {
		o.locks.FlushAfter(delay)
	}
	return nil
}

func (o *onlyOwner) Owner([]byte) string { return "owner" }

func (o *onlyOwner) Fields() []stats.Field { return nil }
