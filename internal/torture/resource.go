//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"
)

// A resource is what the locks of the fence scenario protect. It refuses a worker with a
// smaller token than it has seen, and knows when two workers certainly held a lock at once.
// It is safe for use by several goroutines.
type resource struct {
	mu       sync.Mutex // guards all that follows
	doors    map[string]*door
	accepted int // writes
	refused  int // writes with an old token
	holds    int
	latest   int // the worker that wrote last
	broken   []string
}

// door is what the resource knows of one lock.
type door struct {
	token uint64        // the largest seen
	who   int           // the worker with that token
	until time.Duration // until when that worker holds the lock for certain
}

func newResource() *resource { return &resource{doors: make(map[string]*door)} }

func (r *resource) door(key string) *door {
	d := r.doors[key]
	if d == nil {
		d = &door{}
		r.doors[key] = d
	}
	return d
}

// enter is called by a worker that has just renewed its hold: it holds the lock for certain
// from from to until. enter reports whether the token is good.
func (r *resource) enter(key string, token uint64, who int, from, until, now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.door(key)
	switch {
	case token < d.token:
		if now < until {
			r.breaks("%s: worker %d holds it with token %d, after worker %d with token %d", key, who, token, d.who, d.token)
		}
		return false
	case token == d.token && who != d.who:
		r.breaks("%s: workers %d and %d have the same token %d", key, who, d.who, token)
		return false
	case token > d.token:
		r.holds++
		if from < d.until {
			r.breaks("%s: worker %d was granted it %v before the end of worker %d's lease", key, who, d.until-from, d.who)
		}
	}
	d.token, d.who, d.until = token, who, until
	return true
}

// leave is called by a worker that is about to release the lock.
func (r *resource) leave(key string, token uint64, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.door(key); d.token == token {
		d.until = min(d.until, at)
	}
}

// write reports whether the resource accepts the write.
func (r *resource) write(key string, token uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.door(key)
	if token < d.token {
		r.refused++
		return false
	}
	r.accepted++
	r.latest = d.who
	return true
}

// writer is the worker that wrote last, and so is most likely still at work.
func (r *resource) writer() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// report adds what the resource has seen to the outcome.
func (r *resource) report(o *outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.count("holds", r.holds)
	o.count("writes accepted", r.accepted)
	o.count("writes of holders whose lease was over, refused", r.refused)
	for _, broken := range r.broken {
		o.find("%s", broken)
	}
}

func (r *resource) breaks(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}
