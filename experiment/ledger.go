package main

import "time"

// A ledger counts what one lock and its clients do, live or simulated. Times are
// measured from the start of the run. Except for those of use, they must not run
// backwards.
type ledger struct {
	wanting   int           // clients that want the lock and do not have it
	wanted    time.Duration // since when there is at least one of them
	using     bool          // a client uses the lock
	lastUse   time.Duration // when the last use ended
	measuring bool          // off while the lock warms up

	acquired []acquisition
	grants   []int // by client, for fairness
	tries    int   // by all clients, whether they got the lock or not
	inUse    time.Duration
	idle     time.Duration
	began    time.Duration // when measuring began
	until    time.Duration // how long was measured, in all
	left     int           // clients that still wanted the lock when measuring ended

	dead       time.Duration   // how long clients that had died held the lock
	afterDeath []time.Duration // idle times after such holds
	orphaned   bool            // the last hold was such a hold
}

// An acquisition is what it took a client to get the lock.
type acquisition struct {
	tries int
	wait  time.Duration // from wanting it to having it
	idle  time.Duration // how long the lock had been wanted, but not used
}

// measure begins to count.
func (l *ledger) measure(now time.Duration) { l.measuring, l.began = true, now }

// stop ends the count.
func (l *ledger) stop(now time.Duration) {
	if l.wanting > 0 && !l.using {
		l.idle += l.idleUntil(now)
	}
	l.until += now - l.began
	l.left += l.wanting
	l.measuring = false
}

func (l *ledger) wants(now time.Duration) {
	if l.wanting == 0 {
		l.wanted = now
	}
	l.wanting++
}

func (l *ledger) tried() {
	if l.measuring {
		l.tries++
	}
}

// uses records that a client starts to use the lock.
func (l *ledger) uses(client int, now, wantedAt time.Duration, tries int) {
	l.wanting--
	l.using = true
	if !l.measuring {
		return
	}
	idle := l.idleUntil(now)
	l.idle += idle
	if l.orphaned {
		l.afterDeath, l.orphaned = append(l.afterDeath, idle), false
	}
	l.acquired = append(l.acquired, acquisition{tries, now - wantedAt, idle})
	for len(l.grants) <= client {
		l.grants = append(l.grants, 0)
	}
	l.grants[client]++
}

// idleUntil returns how long the lock has been wanted, but not used.
func (l *ledger) idleUntil(now time.Duration) time.Duration {
	return max(now-max(l.lastUse, l.wanted, l.began), 0)
}

// used records that a use ended.
func (l *ledger) used(from, to time.Duration) {
	l.lastUse, l.using, l.orphaned = to, false, false
	if l.measuring {
		l.inUse += max(to-max(from, l.began), 0)
	}
}

// died records that a use ended by the death of the client, and that its lease ends now.
func (l *ledger) died(from, to, now time.Duration) {
	l.used(from, to)
	l.lastUse, l.orphaned = now, true
	if l.measuring {
		l.dead += now - max(to, l.began)
	}
}

// restart forgets what was measured so far.
func (l *ledger) restart(now time.Duration) {
	l.acquired, l.tries, l.idle, l.inUse, l.began = nil, 0, 0, 0, now
	l.dead, l.afterDeath = 0, nil
	clear(l.grants)
}
