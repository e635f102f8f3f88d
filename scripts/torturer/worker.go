//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable makes this program a process of its own scenarios.
const (
	roleVariable = "LOCKCACHED_TORTURE_ROLE"
	workerRole   = "worker"
)

// playRole is the main function of such a process.
func playRole(role string) (exitCode int) {
	if role != workerRole || len(os.Args) != 4 {
		fmt.Fprintf(os.Stderr, "torture: %s=%s is for scripts/torture itself: unset it\n", roleVariable, role)
		return 2
	}
	number, err := strconv.Atoi(os.Args[3])
	if err == nil {
		w := &worker{server: os.Args[1], number: number, rng: rand.New(rand.NewPCG(uint64(number), 0))}
		err = w.run(os.Args[2])
	}
	fmt.Fprintln(os.Stderr, "torture:", err)
	return 1
}

// sharedNow is a clock that all processes share.
func sharedNow() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every Linux has it
	}
	return time.Duration(t.Nano())
}

// A worker locks, writes to the resource and releases, again and again. It may
// stand still at any point, and does not know.
type worker struct {
	server   string
	number   int
	rng      *rand.Rand
	conn     *client
	resource net.Conn
	answers  *bufio.Scanner
}

// run works until the process is killed or the resource is gone.
func (w *worker) run(resource string) (err error) {
	if w.resource, err = net.Dial("unix", resource); err != nil {
		return err
	}
	w.answers = bufio.NewScanner(w.resource)
	for {
		if w.conn == nil {
			if w.conn, err = dial(w.server); err != nil {
				w.conn = nil
				time.Sleep(10 * time.Millisecond) // the server is about to start
				continue
			}
		}
		err := w.work(fmt.Sprintf("fence:%d", w.rng.IntN(fenceKeys)))
		if err == errResource {
			return err
		}
		if err != nil && err != errStale {
			w.conn.reset() // the server was killed
			w.conn = nil
		}
	}
}

// work is one hold. Not to get the lock is no error.
func (w *worker) work(key string) error {
	wait := ""
	if chance(w.rng, 2) {
		wait = fmt.Sprintf(" W%d", w.rng.IntN(1000))
	}
	r, err := w.conn.ask(metaAdd(key, fenceLease, fmt.Sprint("worker-", w.number), wait), answerWithin)
	token := r.token()
	if err != nil || token == 0 {
		return err
	}
	for range 1 + w.rng.IntN(4) {
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

// renew prolongs the lease and tells the resource until when the lock is the
// worker's for certain. It reports false if it was lost.
func (w *worker) renew(key string, token uint64) (held bool, err error) {
	called := sharedNow()
	// Unlike touch, this tells whose lease it was.
	r, err := w.conn.ask(fmt.Sprintf("mg %s c T%d\r\n", key, int(fenceLease.Seconds())), answerWithin)
	if err != nil || r.token() != token {
		return false, err
	}
	err = w.tell("enter %s %d %d %d %d", key, token, sharedNow(), called+fenceLease, w.number)
	return err == nil, err
}

// write writes a few times, at leisure.
func (w *worker) write(key string, token uint64) error {
	for range 1 + w.rng.IntN(3) {
		if err := w.tell("write %s %d", key, token); err != nil {
			return err
		}
		time.Sleep(within(w.rng, 5*time.Millisecond))
	}
	return nil
}

var (
	errStale    = errors.New("the resource has seen a larger token")
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
