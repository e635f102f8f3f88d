package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// heir is a client in line for a lock that was released in the present batch. Its answer goes out
// with the replies of the batch, in the same system call.
type heir struct {
	p      *inLine
	socket *socket
	key    []byte
	token  uint64 // of its grant; 0 if its wait has ended in another way
	answer protocol.Writer
}

// heirs takes out of served the next that can be answered by the worker, most at most. It tells the
// others.
func (w *worker) heirs(most int) []heir {
	list := w.bulk.heirs[:0]
	for len(list) < most && !w.served.IsEmpty() {
		waiting, how := w.served.Next()
		h, ok := w.heirOf(waiting, how)
		if !ok {
			w.loop.srv.locks.Tell(waiting)
			continue
		}
		list = append(list, h)
	}
	w.bulk.heirs = list
	return list
}

// heirOf reports false if the waiter is not a client at a socket.
func (w *worker) heirOf(waiting *locks.Waiting, how locks.Outcome) (h heir, ok bool) {
	p, ok := waiting.Waiter().(*inLine)
	if !ok {
		return h, false
	}
	s, ok := p.conn.transport.(*socket)
	if !ok {
		return h, false
	}
	p.decide(how)
	h = heir{p: p, socket: s, key: waiting.Key()}
	if how == locks.Granted {
		h.token = waiting.Token()
	}
	p.conn.appendOutcome(&h.answer, p, how)
	return h, true
}

// endHeir ends the wait when the answer was sent, or else sends it. A grant that the client cannot
// learn of goes to the next in line.
func (w *worker) endHeir(h *heir, sent result) {
	n, err := sent.n, sent.err
	if !sent.done {
		n, err = h.socket.writeNow(h.answer.Bytes())
	}
	if !h.p.answered(&h.answer, n, err) && h.token != 0 {
		w.loop.srv.locks.Unheard(h.key, h.token)
	}
	*h = heir{}
}

// tellServed tells all whose waits have ended by releases in the batch.
func (w *worker) tellServed() {
	for !w.served.IsEmpty() {
		waiting, _ := w.served.Next()
		w.loop.srv.locks.Tell(waiting)
	}
}

// served has the worker tell them, with the replies of its batch.
func (s *socket) served() *locks.Served {
	if s.worker == nil {
		return nil
	}
	return &s.worker.served
}
