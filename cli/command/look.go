package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// isKnown tells a lock that there is or was from a key that a server never heard of, or has
// forgotten.
func isKnown(lock fields) bool {
	return lock.text("held") == "1" || lock.ms("delay_ms") > 0 ||
		lock.count("waiters")+lock.count("acquired")+lock.count("refused") > 0
}

// look asks all servers for a lock, since clients in other languages spread keys
// over servers in ways of their own. It returns what those tell that know something
// of it; if none does, what all tell.
func (r *remote) look(key string) (locks []fields, answers []answer) {
	all, known := []fields{}, []fields{}
	answers = r.askAll("stats lock " + key)
	for i := range answers {
		x := &answers[i]
		told := parseStats(x.lines)
		if x.err == errUnknown {
			told, x.err = r.lookAtItem(x.server, key)
		}
		if x.err != nil {
			continue
		}
		lock := append(fields{{"key", key}, {"server", x.server}}, told...)
		all = append(all, lock)
		if isKnown(lock) {
			known = append(known, lock)
		}
	}
	if len(known) == 0 {
		return all, answers
	}
	return known, answers
}

// lookAtItem tells what a plain memcached knows of a lock: its item.
func (r *remote) lookAtItem(server, key string) (fields, error) {
	mc := r.memcached(server)
	defer mc.Close()
	item, err := mc.Get(key)
	switch {
	case errors.Is(err, memcache.ErrCacheMiss):
		return fields{{"held", "0"}, {"owner", "-"}, {"token", "0"}}, nil
	case err != nil:
		return nil, r.cause(err)
	}
	return fields{{"held", "1"}, {"owner", string(item.Value)}, {"token", fmt.Sprint(item.CasID)}}, nil
}

// explainTimeout bounds the look at a lock that was refused. It is only for the message.
const explainTimeout = time.Second

// whyClosed says why nobody is granted a lock that was just refused; "" if somebody holds it, or
// nothing is known.
func (r remote) whyClosed(key string) (why string) {
	r.timeout = explainTimeout
	locks, _ := r.look(key)
	for _, lock := range locks {
		if lock.text("held") == "1" {
			return ""
		}
		if reason := closedReason(lock); reason != "" {
			why = "nobody has it, but " + reason
		}
	}
	return why
}
