//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sharedNow is a clock that all processes share.
func sharedNow() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every Linux has it
	}
	return time.Duration(t.Nano())
}

// A worker locks, writes to the resource and releases, again and again. It may stand still
// at any point without noticing.
type worker struct {
	servers  []string // nodes of a cluster, or one server
	number   string
	conn     *client
	resource net.Conn
	answers  *bufio.Scanner
}

// newWorker reads its arguments: the addresses of the server and the resource,
// and the number of the worker.
func newWorker(args []string) (*worker, error) {
	resource, err := net.Dial("unix", args[1])
	if err != nil {
		return nil, err
	}
	return &worker{servers: strings.Split(args[0], ","), number: args[2], resource: resource, answers: bufio.NewScanner(resource)}, nil
}

// run works until the process is killed or the resource is gone.
func (w *worker) run() (err error) {
	for {
		if w.conn == nil {
			if w.conn, err = dial(w.servers[rand.N(len(w.servers))]); err != nil {
				w.conn = nil
				time.Sleep(10 * time.Millisecond) // the server is about to start
				continue
			}
		}
		err := w.work(fmt.Sprintf("fence:%d", rand.N(fenceKeys)))
		if err == errResource {
			return err
		}
		if err != nil && err != errStale {
			w.conn.reset() // the server was killed, or others may know more
			w.conn = nil
		}
	}
}

// work is one hold. Not getting the lock is no error.
func (w *worker) work(key string) error {
	wait := ""
	if rand.N(2) == 0 {
		wait = fmt.Sprintf(" W%d", rand.N(1000))
	}
	r, err := w.conn.ask(metaAdd(key, fenceLease, "worker-"+w.number, wait), answerWithin)
	token := r.token()
	if err == nil && r.word() == "SERVER_ERROR" {
		err = errTrouble
	}
	if err != nil || token == 0 {
		return err
	}
	for range 1 + rand.N(4) {
		if held, err := w.renew(key, token); !held {
			return err
		}
		if err := w.write(key, token); err != nil {
			return err
		}
	}
	if err := w.tell("leave %s %d %d", key, token, sharedNow()); err != nil {
		return err
	}
	_, err = w.conn.ask(remove(key, token), answerWithin)
	return err
}

// renew prolongs the lease and tells the resource until when the worker holds the lock for
// certain. It reports false if the lock was lost.
func (w *worker) renew(key string, token uint64) (held bool, err error) {
	called := sharedNow()
	// Unlike touch, this shows whose lease it was.
	r, err := w.conn.ask(fmt.Sprintf("mg %s c T%d\r\n", key, int(fenceLease.Seconds())), answerWithin)
	if err != nil || r.token() != token {
		return false, err
	}
	err = w.tell("enter %s %d %d %d %s", key, token, sharedNow(), called+fenceLease, w.number)
	return err == nil, err
}

// write writes a few times, at leisure.
func (w *worker) write(key string, token uint64) error {
	for range 1 + rand.N(6) {
		if err := w.tell("write %s %d", key, token); err != nil {
			return err
		}
		time.Sleep(rand.N(5 * time.Millisecond))
	}
	return nil
}

var (
	errStale    = errors.New("the resource has seen a larger token")
	errTrouble  = errors.New("the node cannot answer")
	errResource = errors.New("the resource is gone")
)

// tell tells the resource something. errStale is its refusal.
func (w *worker) tell(format string, args ...any) error {
	if _, err := fmt.Fprintf(w.resource, format+"\n", args...); err != nil || !w.answers.Scan() {
		return errResource
	}
	if w.answers.Text() == stale {
		return errStale
	}
	return nil
}
