package link

import (
	"errors"
	"io"
	"sync"
)

// outbox holds the frames that are to be sent on one connection. Whoever adds one does not wait
// for the network; one goroutine writes, all that is there at a time.
type outbox struct {
	more chan struct{} // tells run that there are frames, or that it is closed

	mu     sync.Mutex // guards what follows
	frames []byte
	closed bool
}

// maxUnsent is how many bytes may wait to be sent. A node that takes no more is as good as gone.
const maxUnsent = 2 * maxFrame

var errUnread = errors.New("link: the other node reads too slowly")

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// add reports false if the frame will not be sent.
func (o *outbox) add(k kind, id uint64, fill func([]byte) []byte) bool {
	o.mu.Lock()
	ok := !o.closed
	if ok {
		o.frames = appendFrame(o.frames, k, id, fill)
	}
	o.mu.Unlock()
	o.wake()
	return ok
}

func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// close makes run return once it has sent what it has begun to send.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.wake()
}

// run sends frames until the outbox is closed or a write fails. Two buffers take turns: one is
// filled while the other one is sent.
func (o *outbox) run(to io.Writer) error {
	var spare []byte
	for range o.more {
		o.mu.Lock()
		frames, closed := o.frames, o.closed
		o.frames = spare[:0]
		o.mu.Unlock()
		switch {
		case closed:
			return nil
		case len(frames) > maxUnsent:
			return errUnread
		}
		if len(frames) > 0 {
			if _, err := to.Write(frames); err != nil {
				return err
			}
		}
		spare = nil
		if cap(frames) <= keptBuffer {
			spare = frames
		}
	}
	return nil
}
