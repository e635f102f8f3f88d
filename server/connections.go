package server

import (
	"net"
	"time"
)

// turnAway tells a client that there are too many connections, unless the server is
// shutting down.
func (s *Server) turnAway(nc net.Conn) {
	if s.isClosing() {
		return
	}
	s.counts.rejected.Add(1)
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = nc.Write([]byte("ERROR Too many open connections\r\n"))
}

// register reports false if the connection must not be served.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= s.live.Load().MaxConns {
		return false
	}
	s.counts.total.Add(1)
	s.conns[c] = struct{}{}
	s.idle.Add(1)
	if len(s.conns) == 1 {
		s.alone = make(chan struct{})
		go s.sweep(s.alone)
		if s.config.Cluster != nil {
			s.pauses.looked.Store(s.now())
			go s.watchPauses(s.alone)
		}
	}
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock() // its bytes must not be counted twice
	s.counts.bytesRead.Add(c.bytesRead.Load())
	s.counts.bytesWritten.Add(c.bytesWritten.Load())
	delete(s.conns, c)
	if len(s.conns) == 0 {
		close(s.alone)
	}
	s.mu.Unlock()
	s.idle.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) eachConn(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}
