package server

import (
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// stand lets the server's process seem to have stood still until now.
func (s *Server) stand(d time.Duration) { s.pauses.looked.Store(s.now() - int64(d)) }

// After the process has stood still, a release that names no token is refused among what may have
// arrived before that, whoever serves the key.
func TestAfterAPause(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		srv := both.near.srv
		c := connect(t, srv)
		c.send("add near 0 600 1", "x", "add far 0 600 1", "x", "get near")
		settle()
		c.gets("STORED", "STORED", "VALUE near 0 1", "x", "END")
		blind := []string{
			"delete near", "delete far", "md near", "md far q", "touch far -1", "gat -1 near", "gat -1 far near", "set far 0 -1 1", "y",
			"mg near T-1", "ms far 1 T-1", "y", "ma near T-1",
		}
		srv.stand(defaultPause + 1)
		c.send(blind...)
		settle()
		c.gets(strings.Split(strings.Repeat(errOld.Line+"|", 10)+errOld.Line, "|")...)
		c.send("get near far", "touch near 600", "md near C1", "cas far 0 -1 1 1", "y", "set far 0 600 1", "z", "add far 0 600 1", "y")
		settle()
		c.gets("VALUE near 0 1", "x", "VALUE far 0 1", "x", "END", "TOUCHED", "EX", "EXISTS", "STORED", "NOT_STORED")
		other := connect(t, srv) // its request may have been there, too
		other.send("delete far")
		settle()
		other.gets(errOld.Line)
		pass(readWithin)
		c.send("delete near")
		other.send("delete far")
		settle()
		c.gets("DELETED")
		other.gets("DELETED")

		srv.stand(defaultPause) // no pause
		c.send("delete near")
		settle()
		c.gets("NOT_FOUND")
	})
}

// What has been read, but not carried out, when the process stands still is as old.
func TestPauseBehindAWait(t *testing.T) {
	inCluster(t, locks.Config{}, func(t *testing.T, both *twoNodes) {
		c := connect(t, both.near.srv)
		c.send("add far 0 600 1", "x", "add lockcached:wait=5s:far 0 600 1", "y", "delete near", "delete far")
		settle()
		c.gets("STORED")
		pass(5*time.Second - 100*time.Millisecond)
		both.near.srv.stand(defaultPause + 1)
		settle()
		pass(time.Second)
		c.gets("NOT_STORED", errOld.Line, errOld.Line)
	})
}

// One server that has stood still has lost nothing to others.
func TestPauseOfOneServer(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("add lock 0 600 1", "x")
		c.gets("STORED")
		s.stand(time.Hour)
		c.send("delete lock")
		c.gets("DELETED")
	})
}
