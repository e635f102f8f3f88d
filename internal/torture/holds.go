//go:build linux

package main

import (
	"fmt"
	"time"
)

// A longHold is a lock that is held over all faults of a round: value, token and lease stay.
type longHold struct {
	key, value string
	token      uint64
	since      time.Time
}

const longHolds = 100

// takeLongHolds takes locks that are held to the end.
func takeLongHolds(name string, rec *recording) (holds []*longHold, err error) {
	conn, err := rec.dial(rec.addrs[0])
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for i := range longHolds {
		h := &longHold{key: fmt.Sprintf("%s:long:%d", name, i), value: fmt.Sprint("long ", i), since: time.Now()}
		r, err := conn.ask(metaAdd(h.key, longestLease, h.value, ""), answerWithin)
		if h.token = r.token(); err == nil && h.token == 0 {
			err = fmt.Errorf("%s was answered %q", h.key, r.words)
		}
		if err != nil {
			return nil, err
		}
		holds = append(holds, h)
	}
	return holds, nil
}

// Each take-over may make a lease longer by the silence before it and the time that it takes.
const longestTakeOver = time.Minute

// verify compares the lock with what a node shows, after so many faults, and says what is wrong.
func (h *longHold) verify(conn *client, faults int) (fault string, err error) {
	for tries := 0; ; tries++ {
		gone := time.Since(h.since)
		r, err := conn.ask("mg "+h.key+" v c t\r\n", answerWithin)
		left := time.Duration(r.flag('t')) * time.Second
		most := longestLease - gone + longestLease/1000*time.Duration(faults) + longestTakeOver*time.Duration(faults+1)
		switch {
		case err != nil:
			return "", err
		case r.word() == "SERVER_ERROR" && tries < 100: // on a slow machine
			time.Sleep(100 * time.Millisecond)
		case r.value != h.value || r.token() != h.token:
			return fmt.Sprintf("%s was %q with token %d, and is %q, %q", h.key, h.value, h.token, r.value, r.words), nil
		case left < longestLease-time.Since(h.since)-time.Second || left > most:
			return fmt.Sprintf("%s was leased %v ago for %v, and has %v left", h.key, gone, longestLease, left), nil
		default:
			return "", nil
		}
	}
}

// verifyLongHolds asks the nodes in turn.
func verifyLongHolds(rec *recording, holds []*longHold, faults int, o *outcome) error {
	for i, addr := range rec.addrs {
		conn, err := rec.dial(addr)
		if err != nil {
			return err
		}
		for j := i; j < len(holds); j += len(rec.addrs) {
			fault, err := holds[j].verify(conn, faults)
			if err != nil {
				conn.reset()
				return err
			}
			if fault != "" {
				o.find("%s", fault)
			}
		}
		conn.reset()
	}
	o.count("long holds verified", len(holds))
	return nil
}
