package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// What can become of a lock. Compare with errors.Is.
var (
	// ErrHeld: the server answered that somebody else has the lock, and the time to wait
	// for it is over.
	ErrHeld = errors.New("client: lock is held")
	// ErrLost: the lock is not ours any more, or will not be in a moment. Its lease
	// ran out, somebody deleted it, or the server forgot it.
	ErrLost = errors.New("client: lock lost")
	// ErrUnlocked is the cause of a lock's context that ended with Unlock.
	ErrUnlocked = errors.New("client: unlocked")
)

// What can be wrong with a request, a server, or the Client.
var (
	// ErrUnavailable: the server could not be reached in all the tries that there
	// are, or did not answer within the time to wait. The error is a *FaultError.
	ErrUnavailable = errors.New("client: server unavailable")
	// ErrRefused: the server does not let us in, for want of the right password or
	// certificate.
	ErrRefused = errors.New("client: server refuses the connection")
	// ErrPlain: the server is a plain memcached, which cannot do that.
	ErrPlain = errors.New("client: server is a plain memcached")
	// ErrNoNode: a server in Config.Cluster is no node of a cluster.
	ErrNoNode = errors.New("client: server is no node of a cluster")
	// ErrMisrouted: the selector of Config.Memcache sends reserved keys to other
	// servers than the locks they are about. See NewSelector and NewServerList.
	ErrMisrouted = errors.New("client: reserved keys are sent to another server; the Memcache needs the selector of client.NewSelector")
	// ErrKey: the key cannot be a lock's.
	ErrKey = errors.New("client: a key is 1 to 250 bytes without spaces and control characters, and does not begin with \"lockcached:\"")
	// ErrTTL: the lease is negative, or ends later than the protocol's dates.
	ErrTTL = errors.New("client: a TTL is not negative, and ends before 19 January 2038, where the protocol's dates end")
	// ErrClosed: the Client was closed.
	ErrClosed = errors.New("client: closed")
)

// A HeldError tells of a lock that was not obtained because others have it. It is
// ErrHeld.
type HeldError struct {
	Key    string
	Waited time.Duration // 0 for TryLock
	Tries  int           // claims that were sent
}

func (e *HeldError) Error() string {
	if e.Waited == 0 {
		return fmt.Sprintf("%v: %s", ErrHeld, e.Key)
	}
	return fmt.Sprintf("%v: %s, after %v, tries: %d", ErrHeld, e.Key, e.Waited.Round(time.Millisecond), e.Tries)
}

func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// A FaultError tells of a server that could not be reached. It is ErrUnavailable.
type FaultError struct {
	Server string        // host:port, or the path of a Unix socket
	Tries  int           // 0: not even tried, because others had tried in vain a moment ago
	Spent  time.Duration // by all tries and the pauses between them
	Gone   bool          // it had answered this Client before, and gives no answer now
	Err    error         // why the latest try failed
}

func (e *FaultError) Error() string {
	if e.Tries == 0 {
		return fmt.Sprintf("%v: %s: %v", ErrUnavailable, e.Server, e.Err)
	}
	return fmt.Sprintf("%v: %s, %d tries in %v: %v", ErrUnavailable, e.Server, e.Tries, e.Spent.Round(time.Millisecond), e.Err)
}

func (e *FaultError) Is(target error) bool { return target == ErrUnavailable }

func (e *FaultError) Unwrap() error { return e.Err }

// isRefusal: the server answered, and the answer is part of everyday life.
func isRefusal(err error) bool {
	switch err {
	case nil, memcache.ErrCacheMiss, memcache.ErrNotStored, memcache.ErrCASConflict:
		return true
	}
	return false
}

// isNotStored: somebody else has the lock.
func isNotStored(err error) bool { return errors.Is(err, memcache.ErrNotStored) }

// isBusy: the server answered that it cannot do it now. gomemcache has no error of
// its own for that, but shows the line.
func isBusy(err error) bool {
	if isRefusal(err) || errors.Is(err, ErrUnable) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, serverError) && !strings.Contains(text, "too large") ||
		strings.Contains(text, "ERROR Too many open connections")
}

const serverError = "SERVER_ERROR"

// unable is the error of a request that is not to be made again after a SERVER_ERROR.
func unable(err error) error {
	if !isRefusal(err) && strings.Contains(err.Error(), serverError) {
		return fmt.Errorf("%w: %w", ErrUnable, err)
	}
	return err
}

// isAway: there was no answer. Whether the request was carried out is not known.
func isAway(err error) bool {
	if isRefusal(err) || isOurs(err) || isBusy(err) {
		return false
	}
	if errors.Is(err, errUnexpected) {
		return false
	}
	text := err.Error()
	return !strings.HasPrefix(text, "memcache: unexpected") && !strings.Contains(text, "memcache: client error")
}

// isUnsent: the request never left, since there was no connection to send it on.
func isUnsent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, late := errors.AsType[*memcache.ConnectTimeoutError](err)
	return late
}

// isOurs: the request was wrong, or never sent for a reason that does not pass.
func isOurs(err error) bool {
	for _, known := range []error{memcache.ErrMalformedKey, memcache.ErrNoServers, ErrRefused, ErrPlain, ErrLost, ErrTTL, ErrUnable, errInterrupted} {
		if errors.Is(err, known) {
			return true
		}
	}
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record)
}

// isFault: another try may succeed.
func isFault(err error) bool { return isAway(err) || isBusy(err) }
