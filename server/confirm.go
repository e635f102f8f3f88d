package server

import (
	"sync"

	"github.com/lockcached/lockcached/locks"
)

// withheld is a reply that must be confirmed before it leaves.
type withheld struct {
	remote *Remote
	call   remoteCall
}

// confirms has one goroutine, while it is needed, wait for the journal on behalf of all Remotes.
type confirms struct {
	mu   sync.Mutex // guards what follows
	list []withheld
	busy bool
}

func (l *confirms) add(m *locks.Manager, u withheld) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, u)
	if !l.busy {
		l.busy = true
		go l.run(m)
	}
}

func (l *confirms) run(m *locks.Manager) {
	for list := l.take(); len(list) > 0; list = l.take() {
		for i := range list {
			u := &list[i]
			err := u.call.promises.confirm(m)
			u.remote.post(func() { u.remote.confirmed(&u.call, err) })
		}
	}
}

func (l *confirms) take() (list []withheld) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, l.list = l.list, nil
	l.busy = len(list) > 0
	return list
}
