package main

import "time"

// A ledger keeps count of what one lock and its clients do, whoever plays them.
// Times are measured from the start of the run and, but for those of use, must
// not run backwards.
type ledger struct {
	wanting   int           // clients that want the lock and do not have it
	wanted    time.Duration // since when there is at least one of them
	using     bool          // somebody has it
	lastUse   time.Duration // when the use before ended
	measuring bool          // off while the lock warms up

	acquired []acquisition
	grants   []int // by client, for who has his share
	tries    int   // by all clients, whether they got the lock or not
	inUse    time.Duration
	idle     time.Duration
	began    time.Duration // of what is measured
	until    time.Duration // the same, its end
	left     int           // clients that still wanted the lock then

	dead       time.Duration   // that the lock was held by clients that had died
	afterDeath []time.Duration // idle times that followed
	orphaned   bool            // the hold before ended so
}

// An acquisition is what it took a client to get the lock.
type acquisition struct {
	tries int
	wait  time.Duration // from wanting it to having it
	idle  time.Duration // of the lock before: nobody used it, and somebody wanted it
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

// uses notes that a client starts to use the lock.
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

// idleUntil is for how long nobody has used the lock although somebody wants it.
func (l *ledger) idleUntil(now time.Duration) time.Duration {
	return max(now-max(l.lastUse, l.wanted, l.began), 0)
}

// used notes that a use ended.
func (l *ledger) used(from, to time.Duration) {
	l.lastUse, l.using, l.orphaned = to, false, false
	if l.measuring {
		l.inUse += max(to-max(from, l.began), 0)
	}
}

// died notes that a use ended by the death of the client, and its lease now.
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
