package server

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// acceptor accepts the connections of one listener. It slows down while accepting fails.
type acceptor struct {
	srv      *Server
	listener net.Listener
	// spare is a descriptor that is given up when no other is left, so that a client can be
	// accepted and told that there are too many. Otherwise it would hang in the backlog.
	spare  *os.File
	pause  time.Duration
	logged time.Time
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept returns the next connection that can be served. Connections for which no
// descriptor is left are turned away.
func (a *acceptor) accept() (net.Conn, error) {
	for {
		if a.spare == nil {
			a.spare, _ = os.Open(os.DevNull)
		}
		nc, err := a.listener.Accept()
		if !exhausted(err) || a.spare == nil {
			return nc, err
		}
		a.close()
		a.note(err)
		nc, err = a.listener.Accept()
		if err != nil {
			return nil, err
		}
		if a.spare, err = os.Open(os.DevNull); err == nil {
			return nc, nil // another connection has closed meanwhile
		}
		a.srv.turnAway(nc)
		_ = nc.Close()
	}
}

func (a *acceptor) close() {
	if a.spare != nil {
		_ = a.spare.Close()
		a.spare = nil
	}
}

// exhausted reports whether the process or the system has no descriptors left.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// note counts a failure, and logs at most one a second.
func (a *acceptor) note(err error) {
	a.srv.counts.acceptErrors.Add(1)
	if time.Since(a.logged) > time.Second {
		a.logged = time.Now()
		a.srv.config.Logger.Error().Err(err).Msg("cannot accept connections")
	}
}

// failed counts a failure and sleeps, longer each time.
func (a *acceptor) failed(err error) {
	a.note(err)
	a.pause = min(max(2*a.pause, minAcceptPause), maxAcceptPause)
	a.srv.counts.acceptStalledUs.Add(uint64(a.pause.Microseconds()))
	time.Sleep(a.pause)
}
