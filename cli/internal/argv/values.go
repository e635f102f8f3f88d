package argv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/locks"
)

// Where the server listens and commands connect, unless flags say otherwise.
const (
	DefaultHost = "127.0.0.1"
	DefaultPort = 11211
)

var errDuration = errors.New("should be a duration such as 500ms, 5s or 1m30s")

// Duration reads a Go duration of 0 or more. A number without a unit is refused unless it is 0:
// on the wire it would count milliseconds, while people mean seconds.
func Duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d >= 0 {
		return d, nil
	}
	if n, notNumber := strconv.ParseFloat(value, 64); notNumber == nil && n > 0 && err != nil && isDecimal(value) {
		return 0, fmt.Errorf("a duration needs a unit: %ss or %sms", value, value)
	}
	return 0, errDuration
}

// PositiveDuration reads a Go duration greater than 0.
func PositiveDuration(value string) (time.Duration, error) {
	d, err := Duration(value)
	if err == nil && d == 0 {
		err = errors.New("should be longer than 0")
	}
	return d, err
}

// isDecimal excludes numbers that Go accepts but nobody types as a duration: 1e3, 0x5, inf.
func isDecimal(value string) bool { return strings.Trim(value, "0123456789.") == "" }

// Pattern reads a glob over keys, which must not be empty.
func Pattern(glob string) (locks.Pattern, error) {
	pattern, err := locks.NewPattern(glob)
	if err != nil || glob == "" {
		return pattern, fmt.Errorf("%q is no glob; * ? and [a-z] are special, \\ takes that away", glob)
	}
	return pattern, nil
}

// An Address is a host, and a port if one was given.
type Address struct {
	Host    string
	Port    int  // 0 to 65535
	HasPort bool // otherwise Port is 0
}

// ErrAddress is the error of ParseAddress.
var ErrAddress = errors.New("should be host, host:port, [IPv6] or [IPv6]:port, such as 127.0.0.1 or [::1]:11211")

// ParseAddress reads an address as memcached does: a text with a single colon ends in a port; one
// with more is IPv6 and needs brackets to have a port.
func ParseAddress(text string) (Address, error) {
	a := Address{Host: text}
	var port string
	if inner, ok := strings.CutPrefix(text, "["); ok {
		var closed bool
		a.Host, port, closed = strings.Cut(inner, "]")
		if !closed || port != "" && !strings.HasPrefix(port, ":") {
			return Address{}, ErrAddress
		}
		port, a.HasPort = strings.CutPrefix(port, ":")
	} else if strings.Count(text, ":") == 1 {
		a.Host, port, a.HasPort = strings.Cut(text, ":")
	}
	if a.Host == "" {
		return Address{}, ErrAddress
	}
	if !a.HasPort {
		return a, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	a.Port = int(n)
	if err != nil {
		return Address{}, ErrAddress
	}
	return a, nil
}
