package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

const (
	silence      = 1500 * time.Millisecond
	beatInterval = 150 * time.Millisecond
)

// host writes down what it is asked to do, and answers what starts with "echo".
type host struct {
	mu   sync.Mutex
	said []string
}

func (h *host) say(words ...string) {
	h.mu.Lock()
	h.said = append(h.said, strings.Join(words, " "))
	h.mu.Unlock()
}

// wants compares what the host has been asked since the last call.
func (h *host) wants(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.said, want) {
		t.Errorf("the host was asked %q, want %q", h.said, want)
	}
	h.said = nil
}

func (h *host) Open(client string) Session {
	h.say("open", client)
	return &session{h, client}
}

func (h *host) Withdraw(key []byte, token uint64, done func(Reply)) {
	h.say("withdraw", string(key))
	done(Reply{Token: token})
}

func (h *host) Flush(delay time.Duration, done func(Reply)) {
	h.say("flush", delay.String())
	done(Reply{Err: ErrUnconfirmed})
}

func (h *host) Hears(incarnation string) bool { return incarnation == "c1" }

type session struct {
	host   *host
	client string
}

func (s *session) Do(c Call, done func(Reply)) {
	s.host.say(s.client, string(c.Request))
	if text, ok := strings.CutPrefix(string(c.Request), "echo "); ok {
		done(Reply{Text: []byte(text), Granted: c.Claim[0] == 7, Token: uint64(c.Waited)})
	}
}

func (s *session) Hurry()  { s.host.say(s.client, "hurry") }
func (s *session) Cancel() { s.host.say(s.client, "cancel") }
func (s *session) Close()  { s.host.say(s.client, "close") }

// pair is a Peer and the far end that it reaches through pipes.
type pair struct {
	*Peer
	host *host

	mu    sync.Mutex // guards what follows
	conns []net.Conn // far ends, the latest last
	cut   bool       // nothing that is sent arrives
}

// bubble runs a test in virtual time with a Peer that is connected.
func bubble(t *testing.T, self string, test func(t *testing.T, p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{host: new(host)}
		far := &Far{Self: func() string { return self }, Host: p.host, Silence: silence}
		p.Peer = NewPeer(Config{
			Self: "a1", Node: "b1", BeatInterval: beatInterval, Silence: silence, Logger: zerolog.Nop(),
			Dial: func(context.Context) (net.Conn, error) {
				near, end := net.Pipe()
				p.mu.Lock()
				defer p.mu.Unlock()
				p.conns = append(p.conns, end)
				if !p.cut {
					go func() { _ = far.Serve(t.Context(), end) }()
				}
				return near, nil
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		synctest.Wait()
		test(t, p)
		stop()
		<-done
	})
}

// lose ends the present connection.
func (p *pair) lose() {
	p.mu.Lock()
	_ = p.conns[len(p.conns)-1].Close()
	p.mu.Unlock()
	synctest.Wait()
}

// replies collects what became of calls.
type replies struct{ got []Reply }

func (r *replies) add(reply Reply) { r.got = append(r.got, reply) }

func ask(session uint64, request string) *Call {
	return &Call{Session: session, Client: "client", Request: []byte(request)}
}

func TestCalls(t *testing.T) {
	bubble(t, "b1", func(t *testing.T, p *pair) {
		var r replies
		claim := ask(1, "echo STORED\r\n")
		claim.Claim[0], claim.Waited = 7, time.Second
		p.Call(claim, r.add)
		p.Call(ask(1, "echo "), r.add)
		p.host.wants(t, "open client", "client echo STORED\r\n", "client echo ")
		if len(r.got) != 2 || string(r.got[0].Text) != "STORED\r\n" || !r.got[0].Granted || r.got[0].Token != uint64(time.Second) {
			t.Fatalf("%+v", r.got)
		}
		if quiet := r.got[1]; len(quiet.Text) != 0 || quiet.Granted || quiet.Err != nil {
			t.Errorf("%+v", quiet)
		}

		id := p.Call(ask(2, "wait"), r.add)
		p.Hurry(id)
		p.Cancel(id)
		p.EndSession(2)
		p.EndSession(9) // of which the far end knows nothing
		p.host.wants(t, "open client", "client wait", "client hurry", "client cancel", "client close")

		p.Withdraw([]byte("lock"), 5, r.add)
		p.Flush(time.Minute, r.add)
		p.host.wants(t, "withdraw lock", "flush 1m0s")
		p.Hears("c1", r.add)
		p.Hears("d1", r.add)
		synctest.Wait()
		if len(r.got) != 6 || !r.got[4].Granted || r.got[5].Granted {
			t.Errorf("%+v", r.got)
		}
		if r.got[2].Token != 5 || !errors.Is(r.got[3].Err, ErrUnconfirmed) {
			t.Errorf("%+v", r.got)
		}
	})
}

func TestProbe(t *testing.T) {
	bubble(t, "b1", func(t *testing.T, p *pair) {
		ctx, stop := context.WithTimeout(t.Context(), silence)
		defer stop()
		if err := Probe(ctx, p.config); err != nil {
			t.Error(err)
		}
		p.config.Node = "b0"
		if err := Probe(ctx, p.config); err == nil {
			t.Error("an earlier incarnation answers")
		}
	})
}

// A node whose calls all wait is heard all the same, and no call is lost.
func TestBeatsDoNotWaitForCalls(t *testing.T) {
	bubble(t, "b1", func(t *testing.T, p *pair) {
		var r replies
		p.Call(ask(1, "wait"), r.add)
		time.Sleep(time.Hour)
		synctest.Wait()
		if last, err := p.Heard(); time.Since(last) > beatInterval || err != nil || len(r.got) != 0 {
			t.Errorf("heard %v ago, %v, %+v", time.Since(last), err, r.got)
		}
	})
}

// After a loss the sessions are over, and calls without a reply are lost. Then a new connection
// is made.
func TestConnectionLost(t *testing.T) {
	bubble(t, "b1", func(t *testing.T, p *pair) {
		var r replies
		p.Call(ask(1, "wait"), r.add)
		p.host.wants(t, "open client", "client wait")
		p.lose()
		p.host.wants(t, "client close")
		p.Call(ask(1, "echo too early"), r.add)
		time.Sleep(maxPause)
		p.Call(ask(1, "echo again"), r.add)
		p.host.wants(t, "open client", "client echo again")
		if len(r.got) != 3 || r.got[0].Err != ErrLost || r.got[1].Err != ErrUnsent || string(r.got[2].Text) != "again" {
			t.Errorf("%+v", r.got)
		}
	})
}

// Nothing is heard on a connection that is cut somewhere on its way: calls are lost when the
// silence is over.
func TestSilence(t *testing.T) {
	bubble(t, "b1", func(t *testing.T, p *pair) {
		p.mu.Lock()
		p.cut = true
		p.mu.Unlock()
		p.lose()
		time.Sleep(minPause)
		synctest.Wait()
		began := time.Now()
		lost := make(chan time.Duration, 1)
		p.Call(ask(1, "wait"), func(r Reply) {
			if r.Err == ErrLost {
				lost <- time.Since(began)
			}
		})
		if after := <-lost; after > silence {
			t.Errorf("lost after %v", after)
		}
	})
}

// A connection for another incarnation of the node is turned away, and nothing is carried out.
func TestAnotherIncarnation(t *testing.T) {
	bubble(t, "b2", func(t *testing.T, p *pair) {
		time.Sleep(time.Minute)
		synctest.Wait()
		var r replies
		p.Call(ask(1, "echo"), r.add)
		synctest.Wait()
		p.host.wants(t)
		if last, err := p.Heard(); time.Since(last) < time.Minute || err == nil {
			t.Errorf("heard %v ago, %v", time.Since(last), err)
		}
		if len(r.got) != 1 || r.got[0].Err == nil {
			t.Errorf("%+v", r.got)
		}
	})
}

// dialFar makes a connection to a far end by hand.
func dialFar(t *testing.T, far *Far) (near net.Conn, ended <-chan error) {
	near, end := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- far.Serve(t.Context(), end) }()
	go func() { _, _ = io.Copy(io.Discard, near) }()
	return near, done
}

// sendOn sends a hello of that number and a request. A far end that has gone reads neither.
func sendOn(near net.Conn, number uint64, request string) {
	c := Config{Self: "a", Node: "b1"}
	frames := appendFrame(nil, hello, number, c.hello)
	_, _ = near.Write(appendFrame(frames, call, 1, ask(1, request).appendTo))
}

// What a sender has sent on an earlier connection is not carried out when it has made another one,
// in whatever order they are read: it has told its clients that it is lost.
func TestEarlierConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(host)
		far := &Far{Self: func() string { return "b1" }, Host: h, Silence: silence}
		first, firstEnded := dialFar(t, far)
		sendOn(first, 5, "first")
		h.wants(t, "open client", "client first")
		second, secondEnded := dialFar(t, far)
		sendOn(second, 7, "second")
		h.wants(t, "open client", "client second")
		_, _ = first.Write(appendFrame(nil, call, 2, ask(1, "delete").appendTo))
		h.wants(t, "client close")
		if err := <-firstEnded; err != errSucceeded {
			t.Errorf("the first ended with %v", err)
		}
		between, betweenEnded := dialFar(t, far)
		sendOn(between, 6, "between")
		h.wants(t)
		if err := <-betweenEnded; err != errSucceeded {
			t.Errorf("the one between ended with %v", err)
		}
		_ = second.Close()
		<-secondEnded
		h.wants(t, "client close")
		late, lateEnded := dialFar(t, far)
		sendOn(late, 6, "late")
		h.wants(t)
		if err := <-lateEnded; err != errSucceeded {
			t.Errorf("the late one ended with %v", err)
		}
	})
}

// stopped is a connection whose reader is stopped for a while, and does not notice its deadline.
type stopped struct {
	net.Conn
	sent *bytes.Reader
	wake chan struct{}
}

func (s *stopped) Read(b []byte) (n int, err error) {
	if s.sent.Len() < 40 { // behind the hello
		<-s.wake
	}
	return s.sent.Read(b[:1])
}

// A far end that was stopped carries out nothing of what it finds when it goes on.
func TestFarEndWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(host)
		far := &Far{Self: func() string { return "b1" }, Host: h, Silence: silence}
		c := Config{Self: "a", Node: "b1"}
		frames := appendFrame(appendFrame(nil, hello, 1, c.hello), call, 1, ask(1, "delete").appendTo)
		near, end := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		s := &stopped{end, bytes.NewReader(frames), make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- far.Serve(t.Context(), s) }()
		time.Sleep(2 * silence)
		close(s.wake)
		if err := <-ended; err != errPaused {
			t.Errorf("ended with %v", err)
		}
		h.wants(t)
	})
}
