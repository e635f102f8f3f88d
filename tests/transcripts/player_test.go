package transcripts_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
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
	opaque   uint32 // of the last packet whose story gave it none
}

func newPlayer(peer peer) *player {
	return &player{peer: peer, clients: map[string]*actor{}, captured: map[string]string{}}
}

// play stops at the first reply that is not the expected one.
func (p *player) play(s *transcript) error {
	for i := range s.steps {
		step := &s.steps[i]
		if err := p.do(step); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", s.path, step.line, step.source, err)
		}
		if err := p.check(step.replies); err != nil {
			return fmt.Errorf("%s:%d: after %s: %w", s.path, step.line, step.source, err)
		}
	}
	return nil
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
		return p.send(s)
	case hangUp:
		return p.hangUp(s.client, s.text)
	case pause:
		time.Sleep(s.pause)
	}
	return nil
}

func (p *player) send(s *step) error {
	c, err := p.client(s.client)
	if err != nil {
		return err
	}
	message, err := p.message(c, s)
	if err != nil {
		return err
	}
	// The server may have closed the connection: the replies show it.
	_, _ = c.conn.Write(message)
	return nil
}

// message is what a step sends, at once.
func (p *player) message(c *actor, s *step) ([]byte, error) {
	if len(s.packets) == 0 {
		text, err := wire(s.text, p.captured)
		return []byte(text), err
	}
	var message []byte
	for _, n := range s.packets {
		p.opaque += 0x01010101 // no byte is that of the packet before
		b, err := n.encode(p.opaque, p.captured)
		if err != nil {
			return nil, err
		}
		c.ask(b)
		message = append(message, b...)
	}
	return message, nil
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
	c := newActor(conn)
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
		if message, err := c.next(c.framing(), 0); !errors.Is(err, errWaiting) {
			return fmt.Errorf("%s< %s is not expected", name, c.describe(message, err))
		}
	}
	return nil
}

// expect reads one message, or as many as it takes if some may be skipped.
func (p *player) expect(c *actor, r reply, skipping bool) error {
	switch r.text {
	case waiting:
		return c.expectEnd(errWaiting, p.peer.hush)
	case closed:
		return c.expectEnd(errClosed, p.peer.patience)
	}
	for skipped := 0; ; skipped++ {
		message, err := c.next(r.framing(), p.peer.patience)
		if err != nil && skipped > 0 {
			return fmt.Errorf("not among the %d replies that came", skipped)
		}
		if err != nil {
			return fmt.Errorf("read %w", err)
		}
		difference, err := r.difference(message, p.captured)
		switch {
		case err != nil:
			return err
		case difference == "":
			return c.answered(r, message)
		case !skipping:
			return fmt.Errorf("read %s: %s", c.describe(message, nil), difference)
		}
	}
}

// heard is what one client read after a step.
type heard struct {
	messages []string
	closed   bool
	packets  bool // the client speaks the binary protocol
}

// listen reads what there is to read and leaves it to be read again.
func (p *player) listen() map[string]heard {
	all := map[string]heard{}
	for name, c := range p.clients {
		all[name] = c.listen(p.peer.hush)
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
		said := func(text string) reply { return reply{client: name, binary: h.packets, text: text} }
		if len(h.messages) == 0 && !h.closed && slices.Contains(left, said(waiting)) {
			mended = append(mended, said(waiting))
		}
		for _, message := range h.messages {
			heard := reply{client: name, text: replyText(message)}
			if p, wrong := parsePacket(message); wrong == "" && h.packets {
				heard = said(p.story())
			}
			for i, r := range left {
				if difference, err := r.difference(message, p.captured); difference == "" && err == nil {
					heard, left = r, left[i+1:]
					break
				}
			}
			mended = append(mended, heard)
		}
		if h.closed {
			mended = append(mended, said(closed))
		}
	}
	return mended
}

// expectNothingMore stops sending and reads to the end: whatever a server has left to say
// comes before it closes.
func (p *player) expectNothingMore() error {
	var errs []error
	for name, c := range p.clients {
		if err := p.hangUp(name, "half-close"); err != nil {
			continue // the server was faster
		}
		if err := c.expectEnd(errClosed, p.peer.patience); err != nil {
			errs = append(errs, fmt.Errorf("%s at the end: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
