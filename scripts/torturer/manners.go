//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	soakValue   = "soak:big"
	soakBigSize = 100_000 // bytes
	soakLock    = "soak:contended"
	mostFaults  = 10 // that are reported one by one
)

// prepare makes the lock and the item that badly behaved clients ask for.
func (k *soak) prepare() error {
	conn, err := dial(k.addr)
	if err != nil {
		return err
	}
	defer conn.reset()
	for _, request := range []string{
		fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", soakValue, soakBigSize, strings.Repeat("b", soakBigSize)),
		add(soakLock, 0, "nobody"),
	} {
		if _, err := conn.ask(request, answerWithin); err != nil {
			return err
		}
	}
	return nil
}

// welcomeGood connects the well-behaved clients and lets them begin.
func (k *soak) welcomeGood(t *trial, clients int) error {
	k.good = clients
	pause := time.Duration(clients) * time.Second / cyclesSecond
	for i := range clients {
		conn, err := dial(k.addr)
		if err != nil {
			return fmt.Errorf("well-behaved client %d: %w", i, err)
		}
		rng := t.split()
		k.wg.Go(func() { k.behave(conn, i, rng, pause) })
	}
	return nil
}

// welcomeBad lets the badly behaved clients come as they like.
func (k *soak) welcomeBad(t *trial, clients int) {
	k.bad = clients
	for i := range clients {
		manner, rng := manners[i%len(manners)], t.split()
		k.wg.Go(func() { k.misbehave(manner, rng) })
	}
}

// behave locks and releases at leisure.
func (k *soak) behave(conn *client, number int, rng *rand.Rand, pause time.Duration) {
	defer conn.reset()
	key := fmt.Sprint("soak:", number)
	for k.pause(time.Duration(rng.ExpFloat64() * float64(pause))) {
		for _, step := range []struct{ request, want string }{
			{add(key, time.Minute, "me"), "STORED"},
			{"delete " + key + "\r\n", "DELETED"},
		} {
			began := time.Now()
			r, err := conn.ask(step.request, answerWithin)
			if err == nil && r.word() != step.want {
				err = fmt.Errorf("%q was answered %q", step.request, r.words)
			}
			if err != nil {
				k.fail(err)
				return
			}
			k.took(time.Since(began))
		}
	}
}

// pause waits, and reports false when the round is over.
func (k *soak) pause(d time.Duration) bool {
	select {
	case <-k.stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (k *soak) took(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latencies = append(k.latencies, d.Seconds()*1000)
}

func (k *soak) takeLatencies() []float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.latencies
	k.latencies = nil
	return taken
}

func (k *soak) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed++
	if len(k.faults) < mostFaults {
		k.faults = append(k.faults, err.Error())
	}
}

// A manner is a way to behave badly on a fresh connection. It returns when the
// connection is of no more use to it.
type manner func(k *soak, conn *client, rng *rand.Rand)

var manners = []manner{halfCommands, noReading, resets, nonsense, hugeKeys}

// misbehave connects again and again.
func (k *soak) misbehave(m manner, rng *rand.Rand) {
	for k.pause(within(rng, 2*time.Second)) {
		conn, err := dial(k.addr)
		if err != nil {
			continue // the server may be too busy with the others
		}
		if k.watch(conn) {
			m(k, conn, rng)
		}
		k.forget(conn)
	}
}

// watch has the connection broken at the end of the round, whatever its client
// waits for then. It reports false if that is now.
func (k *soak) watch(conn *client) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == nil {
		k.conns = make(map[*client]struct{})
	}
	k.conns[conn] = struct{}{}
	select {
	case <-k.stop:
		return false
	default:
		return true
	}
}

func (k *soak) forget(conn *client) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, conn)
	conn.reset()
}

// end sends all clients away.
func (k *soak) end() {
	close(k.stop)
	k.mu.Lock()
	for conn := range k.conns {
		conn.reset()
	}
	k.mu.Unlock()
	k.wg.Wait()
}

// halfCommands begins a command and never ends it.
func halfCommands(_ *soak, conn *client, rng *rand.Rand) {
	whole := add("soak:half", time.Minute, strings.Repeat("x", 1000))
	if conn.send(whole[:1+rng.IntN(len(whole)-1)], time.Hour) == nil {
		_, _ = conn.answer() // until the server has had enough
	}
}

// noReading asks for much and reads nothing.
func noReading(k *soak, conn *client, _ *rand.Rand) {
	_ = conn.SetReadBuffer(4 << 10)
	request := strings.Repeat("get "+soakValue+"\r\n", 100)
	for conn.send(request, time.Hour) == nil && k.pause(time.Second) {
	}
}

// resets waits for a lock, and is gone without a word.
func resets(k *soak, conn *client, rng *rand.Rand) {
	if conn.send(add(waitFor(soakLock, 10*time.Second), time.Second, "gone"), time.Hour) == nil {
		k.pause(within(rng, 4*time.Second))
	}
}

// nonsense floods the server with commands that do not exist.
func nonsense(k *soak, conn *client, _ *rand.Rand) {
	const lines = 20
	request := strings.Repeat("nonsense upon stilts\r\n", lines)
	for conn.send(request, time.Hour) == nil {
		for range lines {
			if _, err := conn.answer(); err != nil {
				return
			}
		}
		if !k.pause(time.Second) {
			return
		}
	}
}

// hugeKeys sends keys of 1 MB, where a line may have that length and where not.
func hugeKeys(k *soak, conn *client, rng *rand.Rand) {
	verb := []string{"get", "delete", "mg"}[rng.IntN(3)]
	if conn.send(verb+" "+strings.Repeat("k", 1<<20)+"\r\n", time.Hour) == nil {
		_, _ = conn.answer()
	}
	k.pause(within(rng, 30*time.Second))
}
