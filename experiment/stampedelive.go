package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// A live run has a server in this process, and readers that are ordinary memcached clients with a
// connection each, as those of processes that serve a request at a time. With a rate, all ways are
// played side by side; bursts take turns.

const (
	// liveDelay is far above a round trip even if the machine is busy.
	liveDelay = 20 * time.Millisecond
	// mostConns bounds the connections of one way. More readers wait until one is free.
	mostConns   = 1000
	liveLessons = 10
)

// play plays all demands and laws in turn.
func (r *stampedeResults) play(ctx context.Context, out *Output) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := startStampedeServer(context.WithoutCancel(ctx), &r.config, l)
	defer stop()
	for _, d := range r.config.Demands {
		for _, law := range r.config.Laws {
			t := &stampedeTable{results: r, addr: l.Addr().String(), law: law, demand: d}
			out.progress("%s %s", d, law.Name)
			if err := t.play(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// startStampedeServer starts a server with the policies of all ways. It returns a function that
// stops it.
func startStampedeServer(ctx context.Context, c *stampedeConfig, l net.Listener) (stop func()) {
	var config locks.Config
	for _, w := range c.Ways {
		w.configure(&config, c, w.name+":*")
	}
	return serve(ctx, locks.NewManager(config), server.Config{MaxConns: maxClients, Settings: server.Settings{Threads: 1}}, l)
}

// stampedeTable is one table of the report being played.
type stampedeTable struct {
	results *stampedeResults
	addr    string
	law     Law
	demand  demand
}

func (t *stampedeTable) play(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var players []*stampedePlayer
	for i, w := range t.results.config.Ways {
		p := &stampedePlayer{table: t, way: w, number: i, ctx: ctx, fail: cancel, began: time.Now()}
		p.record = &record{ttl: t.results.config.TTL, delay: liveDelay}
		p.free = make(chan *liveReader, mostConns)
		players = append(players, p)
	}
	if t.demand.burst > 0 {
		for _, p := range players {
			p.playBursts()
		}
	} else {
		t.playRates(players)
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	for _, p := range players {
		trial := &stampedeTrial{&t.results.config, p.way, t.law, t.demand}
		t.results.add("live", trial, p.record)
	}
	return ctx.Err()
}

func (t *stampedeTable) playRates(players []*stampedePlayer) {
	var all sync.WaitGroup
	for _, p := range players {
		all.Go(p.playRate)
	}
	all.Wait()
}

// A stampedePlayer plays one way.
type stampedePlayer struct {
	*record
	table  *stampedeTable
	way    *way
	number int
	ctx    context.Context
	fail   context.CancelCauseFunc
	began  time.Time

	free  chan *liveReader // connections that nobody uses
	conns int
	busy  sync.WaitGroup
}

// key is that of a page that no other table has.
func (p *stampedePlayer) key(name string) string {
	return fmt.Sprintf("%s:%s-%s:%s", p.way.name, p.table.demand, p.table.law.Name, name)
}

func (p *stampedePlayer) now() time.Duration { return time.Since(p.began) }

func (p *stampedePlayer) playRate() {
	defer p.leave()
	p.teach()
	chance := rand.New(rand.NewPCG(p.table.results.config.Seed, mix(p.table.demand.String())))
	begin := p.now()
	p.set(begin+p.ttl, begin+p.ttl+p.table.results.config.Duration)
	key := p.key("hot")
	for at := begin; at < p.until; at += p.table.demand.next(chance) {
		if !sleep(p.ctx, at-p.now()) {
			break
		}
		p.arrives(key)
	}
	p.busy.Wait()
}

// set says which readers count.
func (r *record) set(from, until time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from, r.until = from, until
}

func (p *stampedePlayer) playBursts() {
	defer p.leave()
	p.teach()
	config := &p.table.results.config
	p.set(p.now(), 1<<62)
	for i := range config.Rounds {
		for range min(p.table.demand.burst, mostConns) - p.conns {
			p.connect()
		}
		p.stores(p.now())
		for range p.table.demand.burst {
			p.arrives(p.key(fmt.Sprint("burst", i)))
		}
		p.busy.Wait()
	}
}

// teach has a few pages of the same class be computed.
func (p *stampedePlayer) teach() {
	for i := range liveLessons {
		p.arrives(p.key(fmt.Sprint("lesson", i)))
	}
	p.busy.Wait()
}

// arrives has a reader want a page now. It returns once there is a connection for the reader.
func (p *stampedePlayer) arrives(key string) {
	r := p.reader()
	if r == nil {
		return
	}
	r.visit.key = key
	came := p.now()
	p.busy.Go(func() {
		page := p.way.read(&r.visit)
		if p.ctx.Err() == nil {
			p.reads(came, p.now(), page)
		}
		p.free <- r
	})
}

// reader returns a reader that nobody uses; nil if the run is broken off.
func (p *stampedePlayer) reader() *liveReader {
	select {
	case r := <-p.free:
		return r
	default:
	}
	if p.conns < mostConns {
		p.connect()
	}
	select {
	case r := <-p.free:
		return r
	case <-p.ctx.Done():
		return nil
	}
}

func (p *stampedePlayer) connect() {
	p.conns++
	p.free <- newLiveReader(p)
}

// leave closes all connections.
func (p *stampedePlayer) leave() {
	p.busy.Wait()
	for range p.conns {
		(<-p.free).close()
	}
}
