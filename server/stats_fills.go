package server

import (
	"github.com/lockcached/lockcached/locks"
)

// fillTotals is the answer to "stats fills".
func (s *Server) fillTotals() []field {
	t := s.locks.FillTotals()
	var l sheet
	l.num("filling", uint64(t.Filling))
	l.num("held_gets", uint64(t.Held))
	l.num("watched", uint64(t.Watched))
	l = append(l, t.Counters.Fields()...)
	l.num("stats_keys", uint64(t.Keys))
	l.num("fill_bytes", uint64(t.Bytes))
	return l
}

// fillFields are the numbers of one key's fills.
func fillFields(x *locks.Fill) []field {
	var f sheet
	f.num("filling", bit(x.Filling))
	f.num("early", bit(x.Early))
	f.text("age_ms", ms(x.Age))
	f.text("left_ms", ms(x.Left))
	f.num("held_gets", uint64(x.Held))
	f.num("holds", bit(x.Holds))
	f.text("time_ms", ms(x.Time))
	return append(f, x.Record.Fields()...)
}

// classFillFields are the numbers of the fills of a class, nil if none are known.
func (s *Server) classFillFields(name string) []field {
	if r, ok := s.locks.FillClass(name); ok {
		return r.Fields()
	}
	return nil
}
