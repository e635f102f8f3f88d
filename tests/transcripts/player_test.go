package transcripts_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "make the replies in testdata/transcripts what the server answers")

// A peer is a server to play against.
type peer struct {
	dial func() (net.Conn, error)
	// settle returns when the server has dealt with all it was sent; for a peer that cannot
	// know, it returns at once.
	settle func()
	// patience is how long a reply may take, hush how long to listen before silence is
	// believed. Both are 0 for a peer that can know.
	patience, hush time.Duration
}

// A player plays transcripts against a peer.
type player struct {
	peer     peer
	clients  map[string]*actor
	captured map[string]string
}

func newPlayer(peer peer) *player {
	return &player{peer: peer, clients: map[string]*actor{}, captured: map[string]string{}}
}

// play stops at the first reply that is not the expected one.
func (p *player) play(t *testing.T, s *transcript) {
	t.Helper()
	for i := range s.steps {
		step := &s.steps[i]
		if err := p.do(step); err != nil {
			t.Fatalf("%s:%d: %s: %v", s.path, step.line, step.source, err)
		}
		if err := p.check(step.replies); err != nil {
			t.Fatalf("%s:%d: after %s: %v", s.path, step.line, step.source, err)
		}
	}
}

// rewrite plays a transcript and replaces its replies by those that came. Replies that fit
// stay as they are written.
func (p *player) rewrite(t *testing.T, s *transcript) {
	t.Helper()
	before := s.String()
	for i := range s.steps {
		step := &s.steps[i]
		if err := p.do(step); err != nil {
			t.Fatalf("%s:%d: %s: %v", s.path, step.line, step.source, err)
		}
		heard := p.listen()
		if p.check(step.replies) != nil {
			step.replies = p.mend(step.replies, heard)
		}
	}
	if s.String() == before {
		return
	}
	if err := os.WriteFile(s.path, []byte(s.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: rewritten", s.path)
}

// do takes one step and lets the server act on it.
func (p *player) do(s *step) error {
	defer p.peer.settle()
	switch s.action {
	case send:
		text, err := wire(s.text, p.captured)
		if err != nil {
			return err
		}
		c, err := p.client(s.client)
		if err != nil {
			return err
		}
		// The server may have closed the connection: the replies show it.
		_, _ = c.conn.Write([]byte(text))
	case hangUp:
		return p.hangUp(s.client, s.text)
	case pause:
		time.Sleep(s.pause)
	}
	return nil
}

// client returns the named connection, a new one at its first mention and after
// it was closed.
func (p *player) client(name string) (*actor, error) {
	if c := p.clients[name]; c != nil {
		return c, nil
	}
	conn, err := p.peer.dial()
	if err != nil {
		return nil, err
	}
	c := &actor{conn: conn, lines: make(chan string, 1<<12)}
	go c.readLines()
	p.clients[name] = c
	return c, nil
}

func (p *player) hangUp(name, how string) error {
	c := p.clients[name]
	switch {
	case c == nil:
		return errors.New("it is not connected")
	case how == "close":
		delete(p.clients, name)
		return c.conn.Close()
	case how == "half-close":
		return c.conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	return fmt.Errorf("%q is no way to hang up: close or half-close", how)
}

// hangUpAll ends every connection that the story left open.
func (p *player) hangUpAll() {
	for _, c := range p.clients {
		c.conn.Close()
	}
	p.peer.settle()
}

// check compares what comes with what is expected, and allows nothing more.
func (p *player) check(replies []reply) error {
	skipping := map[string]bool{}
	for _, r := range replies {
		if r.text == skip {
			skipping[r.client] = true
			continue
		}
		c, err := p.client(r.client)
		if err != nil {
			return err
		}
		if err := p.expect(c, r, skipping[r.client]); err != nil {
			return fmt.Errorf("%s< %s: %w", r.client, r.text, err)
		}
		skipping[r.client] = false
		if r.text == closed {
			c.conn.Close()
			delete(p.clients, r.client)
		}
	}
	for name, c := range p.clients {
		if line, err := c.next(0); err == nil || !errors.Is(err, errWaiting) {
			return fmt.Errorf("%s< %s is not expected", name, describe(line, err))
		}
	}
	return nil
}

// expect reads one line, or as many as it takes if lines may be skipped.
func (p *player) expect(c *actor, r reply, skipping bool) error {
	if r.text == waiting {
		if line, err := c.next(p.peer.hush); !errors.Is(err, errWaiting) {
			return fmt.Errorf("read %s", describe(line, err))
		}
		return nil
	}
	first, skipped := "", 0
	for ; ; skipped++ {
		line, err := c.next(p.peer.patience)
		if errors.Is(err, errClosed) && r.text == closed {
			return nil
		}
		fits := false
		if err == nil {
			var wrong error
			if fits, wrong = r.fits(line, p.captured); wrong != nil {
				return wrong
			}
		}
		if fits {
			return nil
		}
		if skipped == 0 {
			first = describe(line, err)
		}
		if err != nil || !skipping {
			break
		}
	}
	if skipped > 0 {
		return fmt.Errorf("not in the %d lines from %s on", skipped, first)
	}
	return fmt.Errorf("read %s", first)
}

// heard is what one client read after a step.
type heard struct {
	lines  []string
	closed bool
}

// listen reads what there is to read and leaves it to be read again.
func (p *player) listen() map[string]heard {
	all := map[string]heard{}
	for name, c := range p.clients {
		var h heard
		for {
			line, err := c.next(p.peer.hush)
			if err != nil {
				h.closed = errors.Is(err, errClosed)
				break
			}
			h.lines = append(h.lines, line)
		}
		c.unread = slices.Clone(h.lines)
		all[name] = h
	}
	return all
}

// mend returns the replies that were heard, in the old wording where that fits.
func (p *player) mend(old []reply, all map[string]heard) []reply {
	var mended []reply
	for _, name := range slices.Sorted(maps.Keys(all)) {
		h := all[name]
		if c := p.clients[name]; c != nil {
			c.unread = nil
			if h.closed {
				c.conn.Close()
				delete(p.clients, name)
			}
		}
		left := slices.DeleteFunc(slices.Clone(old), func(r reply) bool { return r.client != name })
		if len(h.lines) == 0 && !h.closed && slices.Contains(left, reply{name, waiting}) {
			mended = append(mended, reply{name, waiting})
		}
		for _, line := range h.lines {
			text := replyText(line)
			for i, r := range left {
				if fits, _ := r.fits(line, p.captured); fits {
					text, left = r.text, left[i+1:]
					break
				}
			}
			mended = append(mended, reply{name, text})
		}
		if h.closed {
			mended = append(mended, reply{name, closed})
		}
	}
	return mended
}

// expectNothingMore stops sending and reads to the end: whatever a server has left to say
// comes before it closes.
func (p *player) expectNothingMore(t *testing.T) {
	t.Helper()
	for name, c := range p.clients {
		if err := p.hangUp(name, "half-close"); err != nil {
			continue // the server was faster
		}
		if line, err := c.next(p.peer.patience); !errors.Is(err, errClosed) {
			t.Errorf("%s< %s at the end is not expected", name, describe(line, err))
		}
	}
}

// An actor is a client: one connection, read line by line in the background.
type actor struct {
	conn   net.Conn
	lines  chan string
	unread []string // read ahead by listen
}

var (
	errWaiting = errors.New(waiting)
	errClosed  = errors.New(closed)
)

func (c *actor) readLines() {
	defer close(c.lines)
	r := bufio.NewReader(c.conn)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			c.lines <- strings.TrimSuffix(line, "\r\n")
		}
		if err != nil {
			return
		}
	}
}

// next returns the next line, errWaiting if there is none for as long as
// patience, or errClosed.
func (c *actor) next(patience time.Duration) (string, error) {
	if len(c.unread) > 0 {
		line := c.unread[0]
		c.unread = c.unread[1:]
		return line, nil
	}
	select {
	case line, open := <-c.lines:
		return line, closedUnless(open)
	default:
	}
	if patience == 0 {
		return "", errWaiting
	}
	select {
	case line, open := <-c.lines:
		return line, closedUnless(open)
	case <-time.After(patience):
		return "", errWaiting
	}
}

func closedUnless(open bool) error {
	if open {
		return nil
	}
	return errClosed
}

// describe shows what next returned.
func describe(line string, err error) string {
	if err != nil {
		return err.Error()
	}
	return replyText(line)
}
