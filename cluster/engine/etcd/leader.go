package etcd

import "sync"

// leader is what can be known of the leader of an etcd elsewhere: its term, from the
// answers, and whether there are any.
type leader struct {
	mu      sync.Mutex // guards what follows
	term    uint64     // the latest; 0 before the first answer
	known   bool       // the latest answer came
	changed chan struct{}
}

// change returns a channel that is closed when an answer comes from a later term.
func (l *leader) change() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// heard records an answer.
func (l *leader) heard(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = true
	if term <= l.term {
		return
	}
	if l.term != 0 && l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	l.term = term
}

// silent records that an answer did not come.
func (l *leader) silent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}

func (l *leader) isKnown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known
}

// LeaderChanged implements engine.Engine. If etcd is elsewhere, a change is noticed with
// the first answer of the new leader, so rely on short times for transactions there.
func (e *Engine) LeaderChanged() <-chan struct{} {
	if e.local != nil {
		return e.local.server().LeaderChangedNotify()
	}
	return e.leader.change()
}

// HasLeader implements engine.Engine. If etcd is elsewhere, it reports whether the latest
// answer came.
func (e *Engine) HasLeader() bool {
	if e.local != nil {
		return e.usable() == nil && e.local.server().Lead() != 0
	}
	return e.leader.isKnown()
}
