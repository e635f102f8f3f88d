package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// A liveReader is a process that serves a request at a time: an ordinary memcached client with
// one connection. mg goes over a second one, because gomemcache does not know it.
type liveReader struct {
	player *stampedePlayer
	visit  visit
	mc     *memcache.Client
	rand   *rand.Rand

	meta   net.Conn // nil until it is needed
	metaIn *bufio.Reader
}

func newLiveReader(p *stampedePlayer) *liveReader {
	seed := mix(fmt.Sprint(p.way.name, p.conns))
	r := &liveReader{player: p, rand: rand.New(rand.NewPCG(p.table.results.config.Seed, seed))}
	r.mc = newClient(p.table.addr, (&net.Dialer{}).DialContext)
	r.visit = visit{reader: r, ttl: p.ttl}
	r.check(r.mc.Ping()) // connects
	return r
}

// close ends the connections.
func (r *liveReader) close() {
	_ = r.mc.Close()
	if r.meta != nil {
		_ = r.meta.Close()
	}
}

// check breaks the run off if err is one.
func (r *liveReader) check(err error) {
	if err != nil {
		r.player.fail(fmt.Errorf("%s: %w", r.player.way.name, err))
	}
}

func (r *liveReader) now() time.Duration { return r.player.now() }

func (r *liveReader) sleep(d time.Duration) { sleep(r.player.ctx, d) }

func (r *liveReader) chance() *rand.Rand { return r.rand }

func (r *liveReader) gaveUp() bool { return r.player.ctx.Err() != nil }

func (r *liveReader) compute() page {
	p := page{made: r.now(), took: r.player.table.law.hold(r.rand)}
	expiry := r.player.begins(p.made)
	r.sleep(p.took)
	r.player.ends(p.made, r.now(), expiry)
	return p
}

func (r *liveReader) get(key string) (p page, ok bool) {
	it, err := r.mc.Get(key)
	if err != nil {
		r.check(ignoreMiss(err))
		return p, false
	}
	return decodePage(it.Value), true
}

func (r *liveReader) set(key string, p page, ttl time.Duration) {
	expiry := r.now() + r.visit.ttl
	r.check(r.mc.Set(&memcache.Item{Key: key, Value: p.encode(), Expiration: int32(ttl / time.Second)}))
	r.player.stores(expiry)
}

func (r *liveReader) add(key string, lease time.Duration) (ok bool) {
	err := r.mc.Add(&memcache.Item{Key: key, Value: []byte("1"), Expiration: int32(lease / time.Second)})
	if !errors.Is(err, memcache.ErrNotStored) {
		r.check(err)
	}
	return err == nil
}

func (r *liveReader) delete(key string) { r.check(ignoreMiss(r.mc.Delete(key))) }

func (r *liveReader) vivify(key string, lease time.Duration) (p page, how vivified) {
	line, value, err := r.askMeta(fmt.Sprintf("mg %s v N%d\r\n", key, lease/time.Second))
	r.check(err)
	switch flags := line + " "; {
	case strings.Contains(flags, " W "):
		return p, won
	case strings.Contains(flags, " Z ") || err != nil:
		return p, taken
	}
	return decodePage(value), shown
}

// askMeta sends an mg with v and returns the first line of the answer, and the value.
func (r *liveReader) askMeta(request string) (line string, value []byte, err error) {
	if r.meta == nil {
		if r.meta, err = new(net.Dialer).DialContext(r.player.ctx, "tcp", r.player.table.addr); err != nil {
			return "", nil, err
		}
		r.metaIn = bufio.NewReader(r.meta)
		context.AfterFunc(r.player.ctx, func() { _ = r.meta.Close() })
	}
	if _, err := io.WriteString(r.meta, request); err != nil {
		return "", nil, err
	}
	if line, err = r.metaIn.ReadString('\n'); err != nil {
		return "", nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	var size int
	if _, err := fmt.Sscanf(line, "VA %d", &size); err != nil {
		return "", nil, fmt.Errorf("%q: %w", line, err)
	}
	value = make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(r.metaIn, value)
	return line, value[:size], err
}
