package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// isKnown reports whether a server knows a lock. Otherwise it has never heard of the key, or has
// forgotten it.
func isKnown(lock fields) bool {
	return lock.text("held") == "1" || lock.ms("delay_ms") > 0 ||
		lock.count("waiters")+lock.count("acquired")+lock.count("refused") > 0
}

// look asks all servers about a lock, since clients in other languages distribute keys over servers
// in ways of their own. It returns the replies of servers that know the lock; if there are none,
// all replies. Of a cluster the owner alone is asked.
func (r *remote) look(key string) (locks []fields, answers []answer) {
	all, known := []fields{}, []fields{}
	question := "stats lock " + key
	if r.isCluster() {
		answers = []answer{r.askOwner(key, question)}
	} else {
		answers = r.askAll(question)
	}
	for i := range answers {
		x := &answers[i]
		told := parseStats(x.lines)
		if x.err == errUnknown {
			told, x.err = r.lookAtItem(x.server, key)
		}
		if x.err != nil {
			continue
		}
		lock := append(r.origin(key, x.server), told...)
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

// lookAtItem returns what a plain memcached knows about a lock: its item.
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

// explainTimeout bounds the query about a lock that was refused. The answer is only for the message.
const explainTimeout = time.Second

// whyClosed says why a lock that was just refused is closed; "" if a client holds it, or the reason
// is not known.
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
