//go:build linux

package main

import (
	"fmt"
	"slices"
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

func (c cell) name() string {
	command := c.command
	if c.binary {
		command = "binary-" + command
	}
	return fmt.Sprintf("%s/%d/%d", command, c.inFlight, c.conns)
}

// allCells returns the lines of the table from top to bottom.
func allCells() []cell {
	cells := cellsOf(false, "add-delete", "add-refused", "get", "set", "incr")
	return append(cells, cellsOf(true, "add-delete", "add-refused", "get", "set")...)
}

func cellsOf(binary bool, commands ...string) []cell {
	var cells []cell
	for _, command := range commands {
		for _, inFlight := range []int{1, 16} {
			for _, conns := range []int{50, 500} {
				cells = append(cells, cell{command, binary, inFlight, conns})
			}
		}
	}
	return cells
}

// A dialect writes requests, and the replies that are due to them.
type dialect interface {
	add(key string, holder int) exchange         // is granted
	refusedAdd(key string, claimer int) exchange // finds the lock held
	set(key, value string) exchange
	get(key, value string) exchange // finds value
	remove(key string) exchange     // finds the key
}

func (c cell) dialect() dialect {
	if c.binary {
		return binaryDialect{}
	}
	return textDialect{}
}

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

// workload returns what the cell's connections send.
func (c cell) workload() workload {
	var w workload
	d := c.dialect()
	switch c.command {
	case "add-delete":
		for i := range c.conns {
			k := key("lock", i)
			w.cycles = append(w.cycles, c.cycle(d.add(k, i), d.remove(k)))
		}
	case "add-refused":
		for i := range c.conns {
			k := key("held", i/connsPerHeldLock)
			if i%connsPerHeldLock == 0 {
				w.around(d.add(k, i), d.remove(k))
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
