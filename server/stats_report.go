package server

import (
	"net"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// What follows are the answers to "stats" for those who ask the process itself, as the page does.

// Stats is the answer to "stats".
func (s *Server) Stats() []stats.Field { return s.general() }

// Settings is the answer to "stats settings".
func (s *Server) Settings() []stats.Field { return s.settings() }

// LockTotals is the answer to "stats locks".
func (s *Server) LockTotals() []stats.Field { return s.lockTotals() }

// FillTotals is the answer to "stats fills", nil without policies for fills.
func (s *Server) FillTotals() []stats.Field {
	if !s.locks.HasFills() {
		return nil
	}
	return s.fillTotals()
}

// ClusterFields is the answer to "stats cluster", nil for a single server.
func (s *Server) ClusterFields() []stats.Field {
	if s.config.Cluster == nil {
		return nil
	}
	return s.config.Cluster.Fields()
}

// Owner describes which node of the cluster serves a key, "" if none does or for a single server.
func (s *Server) Owner(key []byte) string {
	if s.config.Cluster == nil {
		return ""
	}
	return s.config.Cluster.Owner(key)
}

// LockFields is the answer to "stats lock".
func (s *Server) LockFields(l *locks.Lock) []stats.Field { return s.lockFields(*l) }

// ClassFields is the answer to "stats class", nil if nothing is known of the class.
func (s *Server) ClassFields(name string) []stats.Field { return s.classFields(name) }

// HeldFields is what "stats held" says of a lock.
func HeldFields(l *locks.Lock) []stats.Field { return heldFields(l) }

// Word is a key as "stats held" prints it.
func Word(key string) string { return word(key) }

// KeysAreListed reports whether keys may be listed: see Config.NoDump.
func (s *Server) KeysAreListed() bool { return !s.config.NoDump }

// LoginPause is for how long no login from that address is looked at, because others have failed; 0
// if it is.
func (s *Server) LoginPause(from net.Addr) time.Duration { return s.guard.remaining(from, time.Now()) }

// LoginFailed counts a failed login that came another way than over the protocol.
func (s *Server) LoginFailed(from net.Addr) {
	s.counts.logins.Add(1)
	s.counts.loginErrors.Add(1)
	failures, _ := s.guard.failed(from, time.Now())
	s.logFailedLogin(from, failures)
}
