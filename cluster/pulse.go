package cluster

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/cluster/slots"
)

// pulse is a Node that tells which other nodes it hears.
type pulse Node

// Heard implements slots.Pulse.
func (p *pulse) Heard(m slots.Member) (last time.Time, refused bool) {
	return (*Node)(p).peer(m).heard()
}

// heard tells when the node was heard last. A refused connection says that there is no such
// process any more.
func (p *peer) heard() (last time.Time, refused bool) {
	last, err := p.Heard()
	return last, errors.Is(err, syscall.ECONNREFUSED)
}

// Vouches implements slots.Pulse.
func (p *pulse) Vouches(ctx context.Context, third slots.Member, incarnation string) bool {
	said := make(chan bool, 1)
	(*Node)(p).peer(third).Hears(incarnation, func(r link.Reply) { said <- r.Err == nil && r.Granted })
	select {
	case heard := <-said:
		return heard
	case <-ctx.Done():
		return false
	}
}

// Probe implements slots.Pulse.
func (p *pulse) Probe(ctx context.Context, m slots.Member) bool {
	return link.Probe(ctx, (*Node)(p).peer(m).config) == nil
}
