package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/protocol"
)

// A key of 250 bytes is a lock's like any other, but no reserved prefix fits in front of
// it any more. What is asked about such a key is asked on lines, which are connections of
// our own, in words that gomemcache does not know. Where there are none, because the
// caller has brought a Memcache, one has to do without; see claim.pace.

// maxKey is the longest key of the protocol, in bytes.
const maxKey = 250

// longestWaitPrefix is in front of a key that is claimed for the longest wait.
var longestWaitPrefix = protocol.WaitOnKey(longestWait, "")

// fits reports whether a key has room for a prefix.
func fits(prefix, key string) bool { return len(prefix)+len(key) <= maxKey }

// errTooLong: what is reserved does not fit, and there is no other way to ask.
var errTooLong = fmt.Errorf("%w: with a Memcache of the caller's, one of more than %d bytes cannot be asked about",
	ErrKey, maxKey-len(lockPrefix))

// errUnexpected: the server answered what it should not.
var errUnexpected = errors.New("client: unexpected answer")

// told is what the server knows of a lock. It is nil if that is a plain memcached.
func (c *Client) told(ctx context.Context, key string) (*Info, error) {
	switch {
	case fits(lockPrefix, key):
		items, err := c.Read(ctx, lockPrefix+key)
		return infoIn(items, key), err
	case c.config.Memcache != nil:
		return nil, errTooLong
	}
	return c.toldOnLine(ctx, key)
}

// infoIn is what was told of a lock, if it was.
func infoIn(items map[string]*memcache.Item, key string) *Info {
	item := items[lockPrefix+key]
	if item == nil {
		return nil
	}
	info := parseInfo(key, item.Value)
	return &info
}

// toldOnLine asks by stats.
func (c *Client) toldOnLine(ctx context.Context, key string) (info *Info, err error) {
	err = c.do(ctx, key, func(s *peer) error {
		l := c.takeLine(s)
		if err := l.greet(); err != nil {
			return err
		}
		info, err = l.stats(key)
		if err != nil {
			l.hangUp()
		}
		l.done()
		return err
	})
	if errors.Is(err, ErrPlain) {
		return nil, nil
	}
	return info, err
}

// stats asks what the server knows of a lock.
func (l *line) stats(key string) (*Info, error) {
	answer, err := l.exchange("stats lock "+key+"\r\n", l.client.config.Timeout)
	if err != nil {
		return nil, err
	}
	info := Info{Key: key, Fields: make(map[string]string)}
	for _, line := range answer {
		name, value, found := strings.Cut(strings.TrimPrefix(line, statPrefix), " ")
		if !found {
			return nil, fmt.Errorf("%w: %q", errUnexpected, line)
		}
		info.Fields[name] = value
	}
	info.read()
	return &info, nil
}

// claimByFlag is a claim that waits in line, for a key that has no room for the prefix.
func (l *line) claimByFlag(claim *memcache.Item, s slice) error {
	answer, err := l.exchange(fmt.Sprintf("ms %s %d ME T%d W%s\r\n%s\r\n",
		claim.Key, len(claim.Value), claim.Expiration, s, claim.Value), s.wait+l.client.config.Timeout)
	switch {
	case err != nil:
		return err
	case len(answer) == 1 && answer[0] == "HD":
		return nil
	case len(answer) == 1 && answer[0] == "NS":
		return memcache.ErrNotStored
	}
	return fmt.Errorf("%w: %q", errUnexpected, answer)
}

const statPrefix = "STAT "

// exchange sends a command and returns the lines of the answer, but for the END of a
// list.
func (l *line) exchange(command string, timeout time.Duration) (answer []string, err error) {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte(command)); err != nil {
		return nil, err
	}
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "END" {
			return answer, nil
		}
		answer = append(answer, line)
		if !strings.HasPrefix(line, statPrefix) {
			return answer, nil
		}
	}
}

// versionKey is a key that asks the server of a key for its version. Where there is no
// room for the key it has a short one that lives there, too.
func (c *Client) versionKey(key string) string {
	const enough = 10_000 // but for a selector that puts nothing on that server
	if fits(versionPrefix, key) {
		return versionPrefix + key
	}
	if c.selector != nil {
		for i := range enough {
			short := strconv.Itoa(i)
			if c.sameServer(short, key) {
				return versionPrefix + short
			}
		}
	}
	return versionPrefix + key[:maxKey-len(versionPrefix)] // the servers share their kind
}

// sameServer reports whether the selector sends both keys to one server.
func (c *Client) sameServer(a, b string) bool {
	first, err := c.selector.PickServer(a)
	if err != nil {
		return false
	}
	second, err := c.selector.PickServer(b)
	return err == nil && first.String() == second.String()
}
