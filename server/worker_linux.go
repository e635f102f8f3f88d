package server

import "github.com/lockcached/lockcached/locks"

// A worker serves the sockets of a loop, together with others. It belongs to one goroutine.
type worker struct {
	loop   *loop
	leads  bool
	batch  []turn    // the turns to give
	next   int       // in batch
	unsent []*socket // have had their turn, with replies still to send
	sent   int       // how many of unsent are done
	later  []*socket // have more to do than fits one turn
	bulk   bulk
	served locks.Served // by releases in the batch, still to be told

	retired bool // it has a successor, and only finishes its batch
}

// turn is a socket that is to be attended to, and its events, 0 if there are none.
type turn struct {
	socket  *socket
	events  uint32
	claimed bool // by the worker
}

// run serves until stop, or until a successor serves in its place.
func (w *worker) run() {
	for w.handleBatch() {
		if w.retired || !w.fill() {
			w.leave()
			return
		}
	}
}

// fill makes the next batch. It reports false when the loop has ended.
func (w *worker) fill() bool {
	w.takeLead()
	if w.leads && !w.loop.collect(w) {
		w.passLead() // so that the others end, too
		return false
	}
	for _, s := range w.later {
		w.batch = append(w.batch, turn{socket: s})
	}
	clear(w.later)
	w.later = w.later[:0]
	if len(w.batch) >= manyEvents {
		w.passLead()
	}
	return true
}

// takeLead makes the worker lead, if no other one does. If another one leads, and w has
// nothing else to do, it waits for the lead.
func (w *worker) takeLead() {
	switch {
	case w.leads:
	case len(w.later) == 0:
		<-w.loop.lead
		w.leads = true
	default:
		select {
		case <-w.loop.lead:
			w.leads = true
		default:
		}
	}
}

// passLead lets another worker lead.
func (w *worker) passLead() {
	if w.leads {
		w.leads = false
		w.loop.lead <- struct{}{}
	}
}

// commit commits the changes that the replies of a batch reflect, once for all connections.
// If it may have to wait for the disk, a successor serves meanwhile.
func (w *worker) commit() {
	locks := w.loop.srv.locks
	switch {
	case len(w.unsent) == 0 || w.sent > 0:
		return
	case w.loop.srv.strict:
		w.confirm()
		return
	case !locks.Pending():
		return
	}
	if locks.CommitWaits() {
		w.retire()
	}
	if locks.Commit() != nil {
		return // each connection finds out which replies it must replace
	}
	for _, s := range w.unsent {
		s.conn.kept = true
	}
}

// confirm is commit in strict mode.
func (w *worker) confirm() {
	mark, promised := uint64(0), false
	for _, s := range w.unsent {
		if p := s.conn.promises; p != nil {
			mark, promised = max(mark, p.latest()), true
		}
	}
	if promised && !w.loop.srv.locks.Confirmed(mark) {
		w.retire()
		_ = w.loop.srv.locks.Confirm(mark) // each connection finds out which replies it must replace
	}
}

// retire starts another worker in w's place. w itself only finishes its batch.
func (w *worker) retire() {
	successor := &worker{loop: w.loop, leads: w.leads, later: w.later}
	w.leads, w.later, w.retired = false, nil, true
	go successor.run()
}

// leave ends a worker: others serve what it has put off.
func (w *worker) leave() {
	w.loop.srv.aios.give(w.bulk.aio)
	w.bulk.aio = nil
	for _, s := range w.later {
		w.loop.post(s)
	}
}

// handleBatch gives the connections of a batch their turns, and then sends all replies
// together, so that they reach the clients at nearly the same time. It reports false when
// the worker has a successor, because it had to wait for a client.
func (w *worker) handleBatch() bool {
	for w.next < len(w.batch) {
		if w.next == w.bulk.readTo {
			w.readAhead()
		}
		t := &w.batch[w.next]
		w.bulk.present = w.next - w.bulk.readAt
		w.next++
		if t.claimed && !t.socket.attend() {
			return false
		}
	}
	w.commit()
	for w.sent < len(w.unsent) || !w.served.IsEmpty() {
		if w.sent == w.bulk.sentTo {
			w.sendAhead()
		}
		if w.sent == w.bulk.sentTo {
			continue // that was for heirs only
		}
		s := w.unsent[w.sent]
		sent := w.bulk.result(w.sent - w.bulk.sentAt)
		w.sent++
		s.endSend(sent)
		if !s.endTurn() {
			return false
		}
	}
	w.bulk.readTo, w.bulk.sentTo = 0, 0
	clear(w.batch)
	w.batch, w.next = w.batch[:0], 0
	clear(w.unsent)
	w.unsent, w.sent = w.unsent[:0], 0
	return true
}
