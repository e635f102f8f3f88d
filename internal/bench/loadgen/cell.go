//go:build linux

package main

import (
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
	binary   bool // the binary protocol, not text
	inFlight int
	conns    int
}

// mostConns is the largest number of connections of a cell.
const mostConns = 5000

func (c cell) name() string {
	command := c.command
	if c.binary {
		command = "binary-" + command
	}
	return fmt.Sprintf("%s/%d/%d", command, c.inFlight, c.conns)
}

// allCells returns the lines of the table from top to bottom. Locks are measured with few and with
// many connections, too: with the same keys again and again, and (job) with keys that are used once.
func allCells() []cell {
	var cells []cell
	for _, command := range []string{"add-delete", "job"} {
		cells = append(cells, cellsOf(false, command, 1, 1, 12, 50, 500, mostConns)...)
		cells = append(cells, cellsOf(false, command, 16, 50, 500)...)
	}
	for _, command := range []string{"add-refused", "get", "set", "incr"} {
		cells = append(cells, cellsOf(false, command, 1, 50, 500)...)
		cells = append(cells, cellsOf(false, command, 16, 50, 500)...)
	}
	for _, command := range []string{"add-delete", "add-refused", "get", "set"} {
		cells = append(cells, cellsOf(true, command, 1, 50, 500)...)
		cells = append(cells, cellsOf(true, command, 16, 50, 500)...)
	}
	return cells
}

func cellsOf(binary bool, command string, inFlight int, conns ...int) []cell {
	var cells []cell
	for _, n := range conns {
		cells = append(cells, cell{command, binary, inFlight, n})
	}
	return cells
}

// A dialect writes requests, and the replies that are due to them.
type dialect interface {
	add(key string, holder int) exchange         // is granted
	refusedAdd(key string, claimer int) exchange // finds the lock held
	release(key string, holder int) exchange     // frees what the holder was granted
	set(key, value string) exchange
	get(key, value string) exchange // finds value
	remove(key string) exchange     // finds the key
}

// dialect returns what the cell is written in for a server.
func (c cell) dialect(redis bool) dialect {
	switch {
	case redis:
		return redisDialect{}
	case c.binary:
		return binaryDialect{}
	}
	return textDialect{}
}

// suitsRedis reports whether the cell is something that Redis does, too.
func (c cell) suitsRedis() bool { return !c.binary && c.command != "incr" }

// A workload is what a cell sends. Every reply is known beforehand, but for
// the CAS values in binary ones.
type workload struct {
	prepare []batch   // sent on a connection of its own before the others start
	cycles  [][]batch // for each connection, what it repeats
	cleanUp []batch   // sent when all cycles have ended, to leave an empty server
}

// key returns a key of 20 bytes.
func key(kind string, i int) string {
	return fmt.Sprintf("bench:%s:%0*d", kind, 20-len("bench::")-len(kind), i)
}

// holderName returns the value, 16 bytes, with which a lock is held.
func holderName(i int) string { return fmt.Sprintf("holder-%09d", i) }

// hundredBytes returns the value of an ordinary item.
func hundredBytes(i int) string { return fmt.Sprintf("%0100d", i) }

// workload returns what the cell's connections send to a server in a round.
func (c cell) workload(redis bool, round int) workload {
	var w workload
	d := c.dialect(redis)
	switch c.command {
	case "add-delete":
		for i := range c.conns {
			k := key("lock", i)
			w.cycles = append(w.cycles, c.cycle(d.add(k, i), d.release(k, i)))
		}
	case "job":
		for i := range c.conns {
			w.cycles = append(w.cycles, c.jobs(d, i, round))
		}
	case "add-refused":
		for i := range c.conns {
			k := key("held", i/connsPerHeldLock)
			if i%connsPerHeldLock == 0 {
				w.around(d.add(k, i), d.release(k, i))
			}
			w.cycles = append(w.cycles, c.cycle(d.refusedAdd(k, i+1)))
		}
	case "get":
		for i := range c.conns {
			k, v := key("get", i), hundredBytes(i)
			w.around(d.set(k, v), d.remove(k))
			w.cycles = append(w.cycles, c.cycle(d.get(k, v)))
		}
	case "set":
		for i := range c.conns {
			k, v := key("set", i), hundredBytes(i)
			w.around(d.set(k, v), d.remove(k))
			w.cycles = append(w.cycles, c.cycle(d.set(k, v)))
		}
	case "incr":
		for i := range c.conns {
			k := key("incr", i)
			w.around(d.set(k, counter(0)), d.remove(k))
			w.cycles = append(w.cycles, []batch{increments(k, c.inFlight)})
		}
	}
	return w
}

// jobs takes and frees locks, each of which is used only once.
func (c cell) jobs(d dialect, holder, round int) []batch {
	pairs := max(c.inFlight/2, 1)
	var all []exchange
	for i := range pairs {
		k := fmt.Sprintf("j%03d:%04d:%0*d", round%1000, holder, serialDigits, i)
		for _, e := range []exchange{d.add(k, holder), d.release(k, holder)} {
			e.serialEnd = strings.Index(e.request, k) + len(k)
			all = append(all, e)
		}
	}
	batches := c.cycle(all...)
	for i := range batches {
		batches[i].step = pairs
	}
	return batches
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
