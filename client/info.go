package client

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Info is what lockcached tells of a lock.
type Info struct {
	Key    string
	Server string // where it lives: host:port, or the path of a Unix socket
	Node   string // in a cluster, the node that serves it; "" if it is not known
	Held   bool
	Owner  string        // the value of the holder, "-" if there is none
	Token  uint64        // of the present hold, 0 if there is none
	Age    time.Duration // of the present hold
	TTL    time.Duration // what is left of the lease; negative if it does not end

	Waiters, Queued, Polling int
	Rank                     int           // how many wait ahead of us
	Retry                    time.Duration // when to ask again; 0 if the lock is free

	SuggestedTTL  time.Duration // 0 if unknown
	SuggestedWait time.Duration // 0 if unknown

	// Fields are all that the server tells, by the names of "stats lock KEY".
	Fields map[string]string
}

// Info asks about a lock. On plain memcached, which knows nothing of locks, that is
// ErrPlain.
func (c *Client) Info(ctx context.Context, key string) (Info, error) {
	if err := c.begin(); err != nil {
		return Info{}, err
	}
	defer c.pending.Done()
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	s, err := c.route(ctx, key)
	if err != nil {
		return Info{}, err
	}
	info, err := c.told(ctx, key)
	switch {
	case err != nil:
		return Info{}, err
	case info == nil:
		return Info{}, fmt.Errorf("%w: nothing is known of %s", ErrPlain, key)
	}
	info.Server = s.name
	if c.fleet != nil {
		if p := c.fleet.ownerOf(key, time.Now()); p != nil {
			info.Server, info.Node = p.name, p.nodeName()
		}
	}
	return *info, nil
}

// parseInfo reads one line of name=value words. What is missing or odd is zero: a
// server of another version may tell more or less.
func parseInfo(key string, line []byte) Info {
	i := Info{Key: key, Fields: make(map[string]string)}
	for _, word := range strings.Fields(string(line)) {
		name, value, _ := strings.Cut(word, "=")
		i.Fields[name] = value
	}
	i.read()
	return i
}

// read takes from the fields what it has names for.
func (i *Info) read() {
	i.Held, i.Owner = i.Fields["held"] == "1", i.Fields["owner"]
	i.Token, _ = strconv.ParseUint(i.Fields["token"], 10, 64)
	i.Age, i.TTL = i.ms("age_ms"), i.ms("ttl_ms")
	i.Waiters, i.Queued, i.Polling = i.number("waiters"), i.number("queued"), i.number("polling")
	i.Rank, i.Retry = i.number("rank"), i.ms("retry_ms")
	i.SuggestedTTL, i.SuggestedWait = i.ms("suggested_ttl_ms"), i.ms("suggested_wait_ms")
}

func (i *Info) number(name string) int {
	n, _ := strconv.Atoi(i.Fields[name])
	return n
}

func (i *Info) ms(name string) time.Duration {
	ms, _ := strconv.ParseFloat(i.Fields[name], 64)
	return time.Duration(ms * float64(time.Millisecond))
}
