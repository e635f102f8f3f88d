//go:build linux

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	connsPerHeldLock = 10  // connections that are refused the same lock
	lease            = 300 // seconds; a lock must not expire while a round lasts
)

// A cell is one line of the table: a command, how many requests a connection
// has under way, and the number of connections.
type cell struct {
	command  string
	inFlight int
	conns    int
}

func (c cell) name() string {
	return fmt.Sprintf("%s/%d/%d", c.command, c.inFlight, c.conns)
}

// allCells returns the lines of the table from top to bottom.
func allCells() []cell {
	var cells []cell
	for _, command := range []string{"add-delete", "add-refused", "get", "set", "incr"} {
		for _, inFlight := range []int{1, 16} {
			for _, conns := range []int{50, 500} {
				cells = append(cells, cell{command, inFlight, conns})
			}
		}
	}
	return cells
}

// A workload is what a cell sends. Every reply is known beforehand, to the
// byte.
type workload struct {
	prepare []batch   // sent on a connection of its own before the others start
	cycles  [][]batch // for each connection, what it repeats
	cleanUp []batch   // sent when all cycles have ended, to leave an empty server
}

// A batch is requests that go out in one write, and the replies to await
// before the next batch goes out.
type batch struct {
	requests []byte
	replies  []byte
	ops      int
	counts   bool // each reply is a counter, higher by ops the next time
}

// answered prepares b to be sent again.
func (b *batch) answered() {
	if b.counts {
		advance(b.replies, b.ops)
	}
}

type exchange struct{ request, reply string }

func storage(verb, key string, exptime int, value, reply string) exchange {
	return exchange{fmt.Sprintf("%s %s 0 %d %d\r\n%s\r\n", verb, key, exptime, len(value), value), reply + "\r\n"}
}

func add(key string, holder int) exchange {
	return storage("add", key, lease, holderName(holder), "STORED")
}

func refusedAdd(key string, claimer int) exchange {
	return storage("add", key, lease, holderName(claimer), "NOT_STORED")
}

func set(key, value string) exchange { return storage("set", key, 0, value, "STORED") }

func get(key, value string) exchange {
	return exchange{"get " + key + "\r\n", fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(value), value)}
}

func remove(key string) exchange { return exchange{"delete " + key + "\r\n", "DELETED\r\n"} }

// key returns a key of 20 bytes.
func key(kind string, i int) string {
	return fmt.Sprintf("bench:%s:%0*d", kind, 20-len("bench::")-len(kind), i)
}

// holderName returns the value, 16 bytes, with which a lock is held.
func holderName(i int) string { return fmt.Sprintf("holder-%09d", i) }

// hundredBytes returns the value of an ordinary item.
func hundredBytes(i int) string { return fmt.Sprintf("%0100d", i) }

// workload returns what the cell's connections send.
func (c cell) workload() workload {
	var w workload
	switch c.command {
	case "add-delete":
		for i := range c.conns {
			k := key("lock", i)
			w.cycles = append(w.cycles, c.cycle(add(k, i), remove(k)))
		}
	case "add-refused":
		for i := range c.conns {
			k := key("held", i/connsPerHeldLock)
			if i%connsPerHeldLock == 0 {
				w.around(add(k, i), remove(k))
			}
			w.cycles = append(w.cycles, c.cycle(refusedAdd(k, i+1)))
		}
	case "get":
		for i := range c.conns {
			k, v := key("get", i), hundredBytes(i)
			w.around(set(k, v), remove(k))
			w.cycles = append(w.cycles, c.cycle(get(k, v)))
		}
	case "set":
		for i := range c.conns {
			k, v := key("set", i), hundredBytes(i)
			w.around(set(k, v), remove(k))
			w.cycles = append(w.cycles, c.cycle(set(k, v)))
		}
	case "incr":
		for i := range c.conns {
			k := key("incr", i)
			w.around(set(k, counter(0)), remove(k))
			w.cycles = append(w.cycles, []batch{increments(k, c.inFlight)})
		}
	}
	return w
}

// around sends before ahead of the cycles, and after once they have ended.
func (w *workload) around(before, after exchange) {
	w.prepare = append(w.prepare, newBatch(before))
	w.cleanUp = append(w.cleanUp, newBatch(after))
}

// cycle repeats the exchanges until they fill whole batches.
func (c cell) cycle(exchanges ...exchange) []batch {
	var all []exchange
	for len(all) == 0 || len(all)%c.inFlight != 0 {
		all = append(all, exchanges...)
	}
	var batches []batch
	for chunk := range slices.Chunk(all, c.inFlight) {
		batches = append(batches, newBatch(chunk...))
	}
	return batches
}

func newBatch(exchanges ...exchange) batch {
	var requests, replies bytes.Buffer
	for _, e := range exchanges {
		requests.WriteString(e.request)
		replies.WriteString(e.reply)
	}
	return batch{requests: requests.Bytes(), replies: replies.Bytes(), ops: len(exchanges)}
}

// counterDigits is the width that counters keep: they start so high that no
// run can lengthen them.
const counterDigits = 10

func counter(n int) string { return fmt.Sprint(1_000_000_000 + n) }

func increments(key string, n int) batch {
	var replies strings.Builder
	for i := range n {
		replies.WriteString(counter(i+1) + "\r\n")
	}
	requests := strings.Repeat("incr "+key+" 1\r\n", n)
	return batch{requests: []byte(requests), replies: []byte(replies.String()), ops: n, counts: true}
}

// advance adds n to each of the counters, in place: formatting them anew would
// cost more than sending them.
func advance(counters []byte, n int) {
	for line := counters; len(line) > 0; line = line[counterDigits+len("\r\n"):] {
		carry := n
		for i := counterDigits - 1; carry > 0; i-- {
			carry += int(line[i] - '0')
			line[i] = byte('0' + carry%10)
			carry /= 10
		}
	}
}
