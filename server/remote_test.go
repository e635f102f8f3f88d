package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// remoteClient is a client of another node, which remembers its replies.
type remoteClient struct {
	*Remote
	t *testing.T

	mu      sync.Mutex // guards replies
	replies []Reply
}

func openRemote(t *testing.T, s *Server) *remoteClient {
	r := &remoteClient{Remote: s.OpenRemote("192.0.2.1:4000"), t: t}
	t.Cleanup(r.Close)
	return r
}

func (r *remoteClient) do(text string) { r.again(text, locks.ClaimID{}, 0) }

func (r *remoteClient) again(text string, claim locks.ClaimID, waited time.Duration) {
	r.Do([]byte(text+"\r\n"), claim, waited, func(reply Reply) {
		r.mu.Lock()
		r.replies = append(r.replies, reply)
		r.mu.Unlock()
	})
	synctest.Wait()
}

// gets compares the replies since the last call with lines; an error stands for itself.
func (r *remoteClient) gets(want ...string) (replies []Reply) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, reply := range r.replies {
		text := strings.ReplaceAll(strings.TrimSuffix(string(reply.Text), "\r\n"), "\r\n", "|")
		if reply.Err != nil {
			text += reply.Err.Error()
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("got %q, want %q", got, want)
	}
	replies, r.replies = r.replies, nil
	return replies
}

func TestRemote(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		r := openRemote(t, s)
		r.do("add lock 0 60 1\r\nx")
		granted := r.gets("STORED")[0]
		r.do("gets lock")
		r.gets(fmt.Sprintf("VALUE lock 0 1 %d|x|END", granted.Token))
		if !granted.Granted {
			t.Error("not said to be a grant")
		}
		r.do("add lock 0 60 1\r\nx")
		r.do("add other 0 60 1 noreply\r\nx")
		r.do("ms third 1 ME q\r\nx")
		for i, reply := range r.gets("NOT_STORED", "", "") {
			if reply.Granted != (i == 2) {
				t.Errorf("reply %d: granted is %v", i, reply.Granted)
			}
		}
		r.do("get lock\r\nget lock") // what is too much is dropped
		r.do("get loc")
		r.do("foo")
		r.do("quit")
		r.do("")
		r.do("set item 0 0 100")
		r.gets("VALUE lock 0 1|x|END", "END", "ERROR", ErrNotPassed.Error(), "CLIENT_ERROR bad command line format", "SERVER_ERROR out of memory storing object")
		if s.counts.total.Load() != 0 || len(s.conns) != 0 {
			t.Error("counted as a connection of this node")
		}
	})
}

func TestRemoteWaits(t *testing.T) {
	bubbleOf(t, waiting(policy("policy", time.Minute)), Config{}, func(t *testing.T, s *Server) {
		for _, key := range []string{"policy", "lockcached:wait=60s:named"} {
			name := strings.TrimPrefix(key, "lockcached:wait=60s:")
			holder := hold(t, s, name)
			r, behind := openRemote(t, s), openRemote(t, s)
			r.do("add " + key + " 0 60 1\r\nx")
			behind.do("add " + key + " 0 60 1\r\ny")
			r.do("get other")
			r.gets(locks.ErrMoved.Error())
			r.Hurry()
			if name == "policy" {
				r.gets("NOT_STORED")
				r.do("add " + key + " 0 60 1\r\nx")
			}
			r.gets()
			pass(time.Second)
			r.Cancel()
			r.gets("NOT_STORED")
			behind.gets()
			holder.send("delete " + name)
			if granted := behind.gets("STORED")[0]; !granted.Granted || granted.Token == 0 {
				t.Errorf("%+v is no grant", granted)
			}
			behind.Hurry() // too late
			behind.Cancel()
			r.do("add lockcached:wait=5s:" + name + " 0 60 1\r\nx")
			pass(5 * time.Second)
			r.gets("NOT_STORED")
		}
	})
}

// A closed session leaves its line, and keeps what it holds.
func TestRemoteCloses(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		hold(t, s, "lock")
		r := openRemote(t, s)
		r.do("add mine 0 60 1\r\nx")
		r.do("add lock 0 60 1\r\nx") // polls
		r.do("add lockcached:wait=60s:lock 0 60 1\r\nx")
		r.Close()
		r.do("get mine")
		r.Close()
		r.gets("STORED", "NOT_STORED", "NOT_STORED", locks.ErrMoved.Error())
		if n := s.locks.Totals(); n.Queued != 0 || n.Polling != 0 || n.Held != 2 || n.Counters[stats.Withdrawn] != 0 {
			t.Errorf("%d queued, %d polling, %d held", n.Queued, n.Polling, n.Held)
		}
		if len(s.remotes) != 0 {
			t.Error("not forgotten")
		}
	})
}

// A shutdown ends the sessions of other nodes' clients, once they are answered.
func TestShutdownEndsRemotes(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		hold(t, s, "lock")
		waits, reads := openRemote(t, s), openRemote(t, s)
		waits.do("add lockcached:wait=60s:lock 0 60 1\r\nx")
		q.set(func() { q.heldUp = true })
		reads.do("get lock")
		down := make(chan error)
		go func() { down <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		waits.gets()
		reads.gets()
		select {
		case <-down:
			t.Error("did not wait for the answers")
		default:
		}
		q.set(func() { q.heldUp = false })
		must(t, <-down)
		waits.gets("NOT_STORED")
		reads.gets("VALUE lock 0 6|holder|END")
		late := openRemote(t, s)
		late.do("get lock")
		late.gets(locks.ErrMoved.Error())
	})
}

// Replies to remote clients wait for the quorum, but not for each other; without one there is
// an error, and grants are taken back.
func TestRemoteStrict(t *testing.T) {
	strictly(t, locks.Config{}, func(t *testing.T, s *Server, q *quorum) {
		r := openRemote(t, s)
		q.set(func() { q.heldUp = true })
		r.do("get none")
		mark := q.latest
		r.do("get item noreply")
		r.do("version")
		r.do("add quiet 0 0 1 noreply\r\nx")
		r.do("add lock 0 0 1\r\nx")
		r.do("add lock 0 0 1\r\ny")
		r.do("ms meta 1 ME q\r\nx")
		r.gets("VERSION "+Version, "")
		q.set(func() { q.kept = mark })
		r.gets("END")
		q.set(func() { q.lost = errors.New("no quorum") })
		for _, reply := range r.gets("no quorum", "no quorum", "no quorum", "no quorum") {
			if reply.Granted || len(reply.Text) > 0 {
				t.Errorf("%+v has more than an error", reply)
			}
		}
		r.do("get lock")
		r.gets("no quorum")
		q.set(func() { q.heldUp, q.lost = false, nil })
		r.do("get lock quiet meta")
		r.gets("VALUE quiet 0 1|x|END")
	})
}

// A reply that is withheld counts towards the limit for unread answers.
func TestRemoteMemory(t *testing.T) {
	strictly(t, locks.Config{MemoryLimit: 4 << 20}, func(t *testing.T, s *Server, q *quorum) {
		const size = 1 << 19
		r := openRemote(t, s)
		r.do(fmt.Sprintf("set item 0 0 %d\r\n%s", size, strings.Repeat("x", size)))
		r.gets("STORED")
		q.set(func() { q.heldUp = true })
		limit := int(unreadShare * s.locks.Config().MemoryLimit)
		n := limit/size + 10
		for range n {
			r.do("get item")
		}
		q.set(func() { q.heldUp = false })
		synctest.Wait()
		refused := 0
		for _, reply := range r.replies {
			if string(reply.Text) == "SERVER_ERROR out of memory storing object\r\n" {
				refused++
			}
		}
		if refused < 10 || refused > 20 || len(r.replies) != n {
			t.Errorf("%d of %d replies were refused", refused, len(r.replies))
		}
		if !s.unread.Take(limit) {
			t.Error("memory is missing")
		}
	})
}

// Sessions wake each other from all sides.
func TestRemotesPassLocksOn(t *testing.T) {
	s := New(Config{Locks: patient()})
	go s.locks.Run(t.Context())
	const each = 300
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			r := s.OpenRemote(fmt.Sprint("client ", i))
			defer r.Close()
			replies := make(chan Reply)
			ask := func(text string) string {
				r.Do([]byte(text), locks.ClaimID{}, 0, func(reply Reply) { go func() { replies <- reply }() })
				reply := <-replies
				return string(reply.Text)
			}
			for n := range each {
				key := []string{"a", "b"}[n%2]
				if got := ask("add lockcached:wait=300s:" + key + " 0 600 1\r\nx\r\n"); got != "STORED\r\n" {
					t.Errorf("got %q", got)
					return
				}
				if got := ask("delete " + key + "\r\n"); got != "DELETED\r\n" {
					t.Errorf("got %q", got)
					return
				}
			}
		})
	}
	all.Wait()
	must(t, s.Shutdown(t.Context()))
}

// Whatever an error says, its answer is one line.
func TestFaultIsOneLine(t *testing.T) {
	err := errors.Join(errors.New("not flushed at a"), errors.New("not flushed\r\nat b"))
	if got := faultOf(err).Line; got != "SERVER_ERROR not flushed at a not flushed at b" {
		t.Errorf("got %q", got)
	}
}
