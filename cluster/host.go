package cluster

import (
	"errors"
	"time"

	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// host is a Node that carries out what other nodes pass on.
type host Node

// Open implements link.Host.
func (h *host) Open(client string) link.Session { return remote{h.server.OpenRemote(client)} }

// remote is a session for a client of another node.
type remote struct{ *server.Remote }

// Do implements link.Session.
func (r remote) Do(c link.Call, done func(link.Reply)) {
	r.Remote.Do(c.Request, c.Claim, c.Waited, func(reply server.Reply) {
		done(link.Reply{Text: reply.Text, Granted: reply.Granted, Token: reply.Token, Err: linkError(reply.Err)})
	})
}

// linkError tells a front what became of a request. Whatever is not known to be without effect
// may have been carried out.
func linkError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, locks.ErrMoved):
		return link.ErrMoved
	case errors.Is(err, server.ErrNotPassed):
		return link.ErrRefused
	}
	return link.ErrUnconfirmed
}

// Withdraw implements link.Host.
func (h *host) Withdraw(key []byte, token uint64, done func(link.Reply)) {
	if !h.slots.Owned(key) {
		done(link.Reply{Err: link.ErrMoved})
		return
	}
	h.locks.Withdraw(key, token)
	go func() { done(link.Reply{Err: linkError(h.locks.Commit())}) }()
}

// Flush implements link.Host.
func (h *host) Flush(delay time.Duration, done func(link.Reply)) {
	go func() { done(link.Reply{Err: linkError((*Node)(h).flush(delay))}) }()
}

// flush carries out a flush_all at this node.
func (n *Node) flush(delay time.Duration) error {
	if err := n.journal.Err(); err != nil {
		return err // nothing is freed that nobody could be told of
	}
	n.locks.FlushAfter(delay)
	return n.locks.Commit()
}

// Hears implements link.Host.
func (h *host) Hears(incarnation string) bool {
	h.mu.Lock()
	p := h.peers[incarnation]
	h.mu.Unlock()
	if p == nil {
		return false
	}
	last, refused := p.heard()
	return !refused && time.Since(last) < h.config.Suspect
}

// held is a Node as package slots sees its locks.
type held Node

// Adopt implements slots.Locks, as the other methods do.
func (h *held) Adopt(e *journal.Entry, lease time.Duration) { h.locks.Adopt(e, lease) }

// RaiseToken makes all later tokens larger than n.
func (h *held) RaiseToken(n uint64) { h.locks.RaiseToken(n) }

// Barrier returns when all that was under way in the locks is done.
func (h *held) Barrier() { h.locks.Barrier() }

// Disown forgets the locks of keys that another node serves now.
func (h *held) Disown(match func(key []byte) bool) { h.locks.Disown(match) }

// EachHold emits all holds.
func (h *held) EachHold(emit func(*journal.Entry)) {
	h.locks.EachHold(emit)
}
