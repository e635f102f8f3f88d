package server

import (
	"syscall"
	"time"
)

// bulk is what a worker does for many sockets at a time, with an aio: before their turns it reads
// what has arrived for all of them, and after their turns it sends all their replies. For a single
// socket, and where there is no aio, plain calls do the same.
type bulk struct {
	aio *aio // nil if the worker has none

	readAt, readTo int // the turns of the batch for which readAhead was called last
	sentAt, sentTo int // the sockets in unsent for which sendAhead was called last

	heirs []heir // memory for those who are answered next

	present int           // the number of the operation that has read for the present turn; -1 if none has
	time    time.Duration // when readAhead had read, on the clock of locks; 0 if it has not
}

// fewOps is the number of operations from which on one call for all costs less than one for each.
const fewOps = 2

// start returns the aio for n operations, nil if plain calls are to do them.
func (w *worker) start(n int) *aio {
	b := &w.bulk
	if b.aio == nil && n >= fewOps {
		b.aio = w.loop.srv.aios.take()
	}
	if b.aio == nil {
		return nil
	}
	b.aio.begin(n)
	if n < fewOps {
		return nil
	}
	return b.aio
}

// finish carries out the operations.
func (w *worker) finish(a *aio) {
	if a.added < fewOps {
		return
	}
	if err := a.run(); err != nil {
		w.loop.srv.aios.refuse(err)
		w.loop.srv.config.Logger.Warn().Err(err).Msg("batch calls are refused from now on")
	}
}

// result is what an operation has returned.
func (b *bulk) result(number int) result {
	if b.aio == nil || number < 0 {
		return result{}
	}
	return b.aio.results[number]
}

// readAhead begins the turns of the next sockets of the batch, and reads what has arrived for
// those whose turns begin with a read.
func (w *worker) readAhead() {
	b := &w.bulk
	b.readAt, b.readTo = w.next, min(w.next+maxOps, len(w.batch))
	b.time = 0
	turns := w.batch[b.readAt:b.readTo]
	for i := range turns {
		t := &turns[i]
		t.claimed = t.socket.begin(w, t.events)
	}
	a := w.start(len(turns))
	if a == nil {
		return
	}
	for i := range turns {
		if t := &turns[i]; t.claimed && t.socket.readsFirst() {
			t.socket.conn.willRead()
			a.add(i, aioRead, t.socket.fd, a.slots[i][:slotSize])
		}
	}
	w.finish(a)
	b.time = w.loop.srv.locks.Now() // not earlier, or a lease might begin before its request
}

// readsFirst reports whether the connection's turn will begin with a read into an empty buffer.
func (s *socket) readsFirst() bool {
	return s.conn.parked == nil && !s.again && s.conn.in.Buffered() == 0
}

// ahead is what readAhead has read for the present turn of the socket, until it is taken.
func (s *socket) ahead() result {
	if s.worker == nil {
		return result{}
	}
	return s.worker.bulk.result(s.worker.bulk.present)
}

// read takes what readAhead has read, or else reads into space. If it returns less than limit,
// nothing more had arrived. It sets the session's time.
func (s *socket) read(space []byte) (n, limit int, err error) {
	session, locks := &s.conn.session, s.loop.srv.locks
	got := s.ahead()
	if !got.done {
		s.conn.willRead()
		n, err = transfer(syscall.SYS_READ, s.fd, space)
		session.SetTime(locks.Now())
		return n, len(space), err
	}
	b := &s.worker.bulk
	n = copy(space, b.aio.slots[b.present][:got.n])
	b.present = -1
	if b.time == 0 {
		b.time = locks.Now()
	}
	session.SetTime(b.time)
	return n, slotSize, got.err
}

// maxAhead bounds the bytes that sendAhead sends to one socket: more would keep the others waiting.
const maxAhead = 16 << 10

// sendAhead sends the replies of the next sockets in unsent whose promises are kept, and the answers
// to those whose waits have ended by releases in the batch.
func (w *worker) sendAhead() {
	b := &w.bulk
	heirs := w.heirs(maxOps) // they come first: who has released may tell them
	b.sentAt, b.sentTo = w.sent, min(w.sent+maxOps-len(heirs), len(w.unsent))
	b.present = -1
	socks := w.unsent[b.sentAt:b.sentTo]
	a := w.start(len(heirs) + len(socks))
	if a != nil {
		w.fillAhead(a, heirs, socks)
		w.finish(a)
	}
	for i := range heirs {
		w.endHeir(&heirs[i], b.result(len(socks)+i))
	}
}

func (w *worker) fillAhead(a *aio, heirs []heir, socks []*socket) {
	for i := range heirs {
		a.add(len(socks)+i, aioWrite, heirs[i].socket.fd, heirs[i].answer.Bytes())
	}
	for i, s := range socks {
		c := s.conn
		if c.out.Buffered() <= maxAhead && c.mayBeSent() {
			c.promisesKept()
			c.beforeAnswers()
			a.add(i, aioWrite, s.fd, c.out.Bytes())
		}
	}
}

// endSend finishes what sendAhead has done for the socket, if it has done anything.
func (s *socket) endSend(sent result) {
	if !sent.done {
		return
	}
	n, err, replies := sent.n, sent.err, s.conn.out.Bytes()
	if n < len(replies) && (err == nil || err == syscall.EAGAIN) {
		n, err = s.write(replies[n:])
		n += sent.n
	}
	if s.conn.flushed(n, err) != nil {
		s.stage = ended
	}
}
