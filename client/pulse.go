package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lockcached/lockcached/client/internal/ctxtime"
)

// A claim that waits in line sends nothing and hears nothing for up to a minute: it would
// not notice that its server, or the way there, is gone without a word. So while claims
// wait at a server, it is asked now and then whether it is there, by one request however
// many wait. If that is given up after all its tries, the waits are over, too.

// pulseEvery is about how often a server is asked. With the tries that follow, a waiter
// knows in some five seconds that it is gone.
const pulseEvery = time.Second

// errSilent ends a wait whose server answers nothing any more. It hides what became of
// the other requests: this one was sent.
var errSilent = errors.New("client: the server has fallen silent")

// watchPulse has the server asked while a claim waits on the line, once that has begun
// to take time. The caller calls done when the wait is over.
func (l *line) watchPulse(key string) (done func()) {
	s := l.server
	s.waitBegins(l, key)
	timer := time.AfterFunc(pulseEvery, func() { l.client.feelPulse(s) })
	return func() {
		timer.Stop()
		s.waitEnds(l)
	}
}

func (s *peer) waitBegins(l *line, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits == nil {
		s.waits = make(map[*line]string)
	}
	s.waits[l] = key
}

func (s *peer) waitEnds(l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waits, l)
}

// takePulse reports whether the caller is to ask the server: nobody else does.
func (s *peer) takePulse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pulsed {
		return false
	}
	s.pulsed = true
	return true
}

// awaited is a key that somebody waits for. If there is none, nobody asks any more.
func (s *peer) awaited() (key string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.waits {
		return key, true
	}
	s.pulsed = false
	return "", false
}

// feelPulse asks a server whether it is there, until nobody waits any more.
func (c *Client) feelPulse(s *peer) {
	if c.begin() != nil {
		return
	}
	defer c.pending.Done()
	if !s.takePulse() {
		return
	}
	for key, found := s.awaited(); found; key, found = s.awaited() {
		err := c.do(c.closing, key, func(s *peer) error {
			_, err := c.askKind(s, key)
			return err
		})
		if fault, isFault := errors.AsType[*FaultError](err); isFault && fault.Gone {
			s.endWaits(fmt.Errorf("%w: %v", errSilent, fault.Err))
		}
		if !ctxtime.Sleep(c.closing, pulseEvery*3/4+rand.N(pulseEvery/2)) {
			return
		}
	}
}

// endWaits hangs up the lines on which claims wait.
func (s *peer) endWaits(why error) {
	s.mu.Lock()
	var lines []*line
	for l := range s.waits {
		lines = append(lines, l)
	}
	s.mu.Unlock()
	for _, l := range lines {
		l.end(why)
	}
}
