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
	Key   string
	Held  bool
	Owner string        // the value of the holder, "-" if there is none
	Token uint64        // of the present hold, 0 if there is none
	Age   time.Duration // of the present hold
	TTL   time.Duration // what is left of the lease; negative if it does not end

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
	items, err := c.get(ctx, lockPrefix+key)
	if err != nil {
		return Info{}, err
	}
	item := items[lockPrefix+key]
	if item == nil {
		return Info{}, fmt.Errorf("%w: nothing is known of %s", ErrPlain, key)
	}
	return parseInfo(key, item.Value), nil
}

// parseInfo reads one line of name=value words. What is missing or odd is zero: a
// server of another version may tell more or less.
func parseInfo(key string, line []byte) Info {
	fields := make(map[string]string)
	for _, word := range strings.Fields(string(line)) {
		name, value, _ := strings.Cut(word, "=")
		fields[name] = value
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(fields[name])
		return n
	}
	ms := func(name string) time.Duration {
		n, _ := strconv.ParseFloat(fields[name], 64)
		return time.Duration(n * float64(time.Millisecond))
	}
	token, _ := strconv.ParseUint(fields["token"], 10, 64)
	return Info{
		Key: key, Held: fields["held"] == "1", Owner: fields["owner"], Token: token,
		Age: ms("age_ms"), TTL: ms("ttl_ms"),
		Waiters: number("waiters"), Queued: number("queued"), Polling: number("polling"),
		Rank: number("rank"), Retry: ms("retry_ms"),
		SuggestedTTL: ms("suggested_ttl_ms"), SuggestedWait: ms("suggested_wait_ms"),
		Fields: fields,
	}
}
