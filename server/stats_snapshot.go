package server

import (
	"syscall"
	"time"
)

// Snapshot is the Server's part of "stats" at one moment. The Manager has the rest.
type Snapshot struct {
	Started          time.Time
	UserCPU          time.Duration
	SystemCPU        time.Duration
	Connections      int
	MaxConnections   int
	TotalConnections uint64
	Rejected         uint64 // connections beyond MaxConnections
	IdleKicks        uint64 // connections cut off because they sent nothing
	UnreadKicks      uint64 // connections cut off because their answers were not read
	UnfinishedKicks  uint64 // connections cut off because the rest of a request did not arrive
	Yields           uint64 // times that a connection gave others a turn
	AcceptErrors     uint64
	BytesRead        uint64
	BytesWritten     uint64
	Flushes          uint64
	LogWritten       uint64 // lines of the log that were written
	LogDropped       uint64 // lines of the log that were dropped because nobody read it
	Accepting        bool   // false while it shuts down
}

// Snapshot returns the present state of the Server.
func (s *Server) Snapshot() Snapshot {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	n := Snapshot{
		Started:          s.started,
		UserCPU:          time.Duration(usage.Utime.Nano()),
		SystemCPU:        time.Duration(usage.Stime.Nano()),
		MaxConnections:   s.live.Load().MaxConns,
		TotalConnections: s.counts.total.Load(),
		Rejected:         s.counts.rejected.Load(),
		IdleKicks:        s.counts.idleKicks.Load(),
		UnreadKicks:      s.counts.unreadKicks.Load(),
		UnfinishedKicks:  s.counts.unfinishedKicks.Load(),
		Yields:           s.counts.yields.Load(),
		AcceptErrors:     s.counts.acceptErrors.Load(),
		Flushes:          s.counts.flushes.Load(),
	}
	n.LogWritten, n.LogDropped = s.config.LogCounts()
	s.mu.Lock()
	defer s.mu.Unlock()
	n.BytesRead, n.BytesWritten = s.counts.bytesRead.Load(), s.counts.bytesWritten.Load()
	for c := range s.conns {
		n.BytesRead += c.bytesRead.Load()
		n.BytesWritten += c.bytesWritten.Load()
	}
	n.Connections = len(s.conns)
	n.Accepting = !s.closing
	return n
}
