package link

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Config is what a Peer needs to know. All fields are required.
type Config struct {
	Self string // names this process of the node; none ever has the name of another
	Node string // the incarnation that is to be reached; another one turns the connection away
	Dial func(ctx context.Context) (net.Conn, error)
	// BeatInterval is the time between two beats, Silence how long a connection lives on which
	// nothing is heard.
	BeatInterval, Silence time.Duration
	Logger                zerolog.Logger
}

// connections numbers the connections that this process makes: the far end drops what is left
// of earlier ones.
var connections atomic.Uint64

// noNumber is the number of a connection that only probes, and succeeds no other.
const noNumber = 0

func (c *Config) hello(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, version)
	return appendText(appendText(b, c.Self), c.Node)
}

// Probe makes a connection of its own, and returns nil if the node answers a beat on it.
func Probe(ctx context.Context, c Config) error {
	nc, err := c.Dial(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = nc.SetDeadline(end)
	}
	if _, err := nc.Write(appendFrame(appendFrame(nil, hello, noNumber, c.hello), beat, 1, nil)); err != nil {
		return err
	}
	f, err := (&frameReader{from: nc}).next()
	if err == nil && f.kind != answer {
		err = errFrame
	}
	return err
}

// Peer passes calls on to another node. Safe for concurrent use.
type Peer struct {
	config Config

	mu    sync.Mutex // guards what follows
	out   *outbox    // nil while there is no connection
	calls map[uint64]func(Reply)
	next  uint64 // id of a call
	heard time.Time
	err   error // why the latest attempt to connect has failed; nil while connected
}

// NewPeer returns a Peer that has no connection until Run is called. The node counts as heard
// now.
func NewPeer(c Config) *Peer {
	return &Peer{config: c, calls: make(map[uint64]func(Reply)), heard: time.Now()}
}

// Call passes a call on, and calls done once with what became of it, from any goroutine; perhaps
// before it returns. The id is for Hurry and Cancel.
func (p *Peer) Call(c *Call, done func(Reply)) (id uint64) { return p.send(call, c.appendTo, done) }

// Withdraw takes back a grant whose client did not get it.
func (p *Peer) Withdraw(key []byte, token uint64, done func(Reply)) {
	p.send(withdraw, func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint64(b, token), key...)
	}, done)
}

// Flush releases all locks of the node, and ends its items, when delay is over.
func (p *Peer) Flush(delay time.Duration, done func(Reply)) {
	p.send(flush, func(b []byte) []byte { return binary.BigEndian.AppendUint64(b, uint64(delay)) }, done)
}

// Hears asks whether the node hears another one; the reply is Granted if it does.
func (p *Peer) Hears(incarnation string, done func(Reply)) {
	p.send(hears, func(b []byte) []byte { return append(b, incarnation...) }, done)
}

// Hurry says that the client of a call has sent more: a wait that it has not asked for ends.
func (p *Peer) Hurry(id uint64) { p.tell(hurry, id) }

// Cancel says that the client of a call has gone. The call is still answered.
func (p *Peer) Cancel(id uint64) { p.tell(cancel, id) }

// EndSession says that a client has gone, and will make no further call.
func (p *Peer) EndSession(session uint64) { p.tell(endOf, session) }

// Heard returns when the node was heard last, and why it cannot be reached; nil if it can, or if
// that is not known yet.
func (p *Peer) Heard() (last time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard, p.err
}

// send sends a frame that will be answered.
func (p *Peer) send(k kind, fill func([]byte) []byte, done func(Reply)) (id uint64) {
	p.mu.Lock()
	p.next++
	id = p.next
	out := p.out
	if out != nil {
		p.calls[id] = done
	}
	p.mu.Unlock()
	if out == nil {
		done(Reply{Err: ErrUnsent})
		return id
	}
	out.add(k, id, fill) // if it is closed, disconnected answers
	return id
}

// tell sends a frame that has no answer. If there is no connection there is nobody to tell.
func (p *Peer) tell(k kind, id uint64) {
	p.mu.Lock()
	out := p.out
	p.mu.Unlock()
	if out != nil {
		out.add(k, id, nil)
	}
}

// The pause before another attempt to connect doubles from minPause to maxPause.
const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// Run keeps the connection up until the context is done.
func (p *Peer) Run(ctx context.Context) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		if p.connect(ctx) {
			pause = minPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// connect makes a connection and serves it to its end. It reports whether the node was heard
// on it.
func (p *Peer) connect(ctx context.Context) (heard bool) {
	dialing, stop := context.WithTimeout(ctx, p.config.Silence)
	nc, err := p.config.Dial(dialing)
	stop()
	if err == nil {
		heard, err = p.converse(ctx, nc)
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		p.config.Logger.Debug().Err(err).Str("node", p.config.Node).Msg("link lost")
	}
	return heard
}

// converse serves a connection until it ends. Calls on it that have no reply by then are lost.
func (p *Peer) converse(ctx context.Context, nc net.Conn) (heard bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	out := newOutbox()
	out.add(hello, connections.Add(1), p.config.hello)
	p.mu.Lock()
	p.out = out
	p.mu.Unlock()
	var senders sync.WaitGroup
	senders.Go(func() {
		_ = out.run(nc)
		stop()
	})
	senders.Go(func() { p.beat(ctx, out) })
	heard, err = p.read(nc)
	p.disconnected()
	stop()
	out.close()
	senders.Wait()
	return heard, err
}

func (p *Peer) beat(ctx context.Context, out *outbox) {
	tick := time.NewTicker(p.config.BeatInterval)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		out.add(beat, n, nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// read takes what the node answers, until it is silent or the connection ends.
func (p *Peer) read(nc net.Conn) (heard bool, err error) {
	r := frameReader{from: nc}
	for {
		_ = nc.SetReadDeadline(time.Now().Add(p.config.Silence))
		f, err := r.next()
		if err != nil {
			return heard, err
		}
		heard = true
		p.mu.Lock()
		p.heard, p.err = time.Now(), nil
		p.mu.Unlock()
		switch f.kind {
		case answer:
		case reply:
			if err := p.answered(f); err != nil {
				return heard, err
			}
		default:
			return heard, errFrame
		}
	}
}

func (p *Peer) answered(f frame) error {
	r, err := readReply(f.body)
	if err != nil {
		return err
	}
	p.mu.Lock()
	done := p.calls[f.id]
	delete(p.calls, f.id)
	p.mu.Unlock()
	if done != nil {
		done(r)
	}
	return nil
}

// disconnected answers the calls whose replies were lost.
func (p *Peer) disconnected() {
	p.mu.Lock()
	lost := p.calls
	p.calls, p.out = make(map[uint64]func(Reply)), nil
	p.mu.Unlock()
	for _, done := range lost {
		done(Reply{Err: ErrLost})
	}
}
