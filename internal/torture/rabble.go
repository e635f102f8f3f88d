//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// A rabble is the badly behaved clients of a soak. They are a process of their
// own, so that what they do costs the well-behaved nothing but the machine.
type rabble struct {
	server  string
	clients int
	hugeKey string
}

// newRabble reads its arguments: the server's address, and the number of clients.
func newRabble(args []string) (*rabble, error) {
	clients, err := strconv.Atoi(args[1])
	return &rabble{server: args[0], clients: clients, hugeKey: strings.Repeat("k", 1<<20)}, err
}

// run behaves badly until the process is killed.
func (r *rabble) run() {
	for i := range r.clients {
		go r.misbehave(manners[i%len(manners)])
	}
	select {}
}

// A manner is a way to behave badly on a fresh connection. It returns when the
// connection is of no more use to it.
type manner func(r *rabble, conn *client)

var manners = []manner{halfCommands, noReading, resets, nonsense, hugeKeys}

// misbehave connects again and again.
func (r *rabble) misbehave(m manner) {
	for {
		time.Sleep(rand.N(2 * time.Second))
		conn, err := dial(r.server)
		if err != nil {
			fmt.Fprintln(os.Stderr, "torture:", err) // the server may be too busy with the others
			continue
		}
		m(r, conn)
		conn.reset()
	}
}

// halfCommands begins a command and never ends it.
func halfCommands(_ *rabble, conn *client) {
	whole := add("soak:half", time.Minute, strings.Repeat("x", 1000))
	if conn.send(whole[:1+rand.N(len(whole)-1)], time.Hour) == nil {
		_, _ = conn.answer() // until the server has had enough
	}
}

// noReading asks for much and reads nothing.
func noReading(_ *rabble, conn *client) {
	_ = conn.SetReadBuffer(4 << 10)
	request := strings.Repeat("get "+soakItem+"\r\n", 100)
	for conn.send(request, time.Hour) == nil {
		time.Sleep(time.Second)
	}
}

// resets waits for a lock, and is gone without a word.
func resets(_ *rabble, conn *client) {
	if conn.send(add(waitFor(soakLock, 10*time.Second), time.Second, "gone"), time.Hour) == nil {
		time.Sleep(rand.N(4 * time.Second))
	}
}

// nonsense floods the server with commands that do not exist.
func nonsense(_ *rabble, conn *client) {
	const lines = 20
	request := strings.Repeat("nonsense upon stilts\r\n", lines)
	for conn.send(request, time.Hour) == nil {
		for range lines {
			if _, err := conn.answer(); err != nil {
				return
			}
		}
		time.Sleep(time.Second)
	}
}

// hugeKeys sends keys of 1 MB, where a line may have that length and where not.
func hugeKeys(r *rabble, conn *client) {
	verbs := []string{"get", "delete", "mg"}
	if conn.send(verbs[rand.N(len(verbs))]+" "+r.hugeKey+"\r\n", time.Hour) == nil {
		_, _ = conn.answer()
	}
	time.Sleep(rand.N(30 * time.Second))
}
