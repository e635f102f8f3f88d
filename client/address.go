package client

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/bradfitz/gomemcache/memcache"
)

// defaultPort is the port of an address that has none.
const defaultPort = "11211"

// address is the address of a server as it was given. A name in it is looked up
// whenever a connection is made.
type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }

var errAddress = errors.New("should be host, host:port, [IPv6] or [IPv6]:port, also behind tcp:// or memcached://, " +
	"or a Unix socket: its path, unix:PATH or unix:///PATH")

// ParseServer reads the address of a server: host, host:port, [IPv6] or [IPv6]:port,
// also behind tcp:// or memcached://, or the path of a Unix socket, also behind unix: or
// unix://. Without a port it is 11211. The address has the network tcp or unix; it is
// written in one way however it was given, and ParseServer reads it. Nothing is looked
// up.
func ParseServer(text string) (net.Addr, error) {
	var addr address
	var ok bool
	scheme, rest, isURL := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	path, isUnix := cutUnix(text)
	switch {
	case isURL && scheme == "unix":
		addr, ok = socketAddress(rest)
		ok = ok && rest[0] == '/' // or it would be the name of a host
	case isURL && (scheme == "tcp" || scheme == "memcached"):
		addr, ok = hostAddress(strings.TrimSuffix(rest, "/"))
	case isURL:
	case isUnix:
		addr, ok = socketAddress(path)
	case strings.ContainsAny(text, "/@"):
		addr, ok = socketAddress(text)
	default:
		addr, ok = hostAddress(text)
	}
	if !ok {
		return nil, errAddress
	}
	return addr, nil
}

func cutUnix(text string) (path string, found bool) {
	const prefix = "unix:"
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

// socketAddress is that of a path, or of a name that Linux knows without a file, which
// begins with @.
func socketAddress(path string) (address, bool) {
	if path == "" || strings.HasSuffix(path, "/") || strings.ContainsFunc(path, unicode.IsControl) {
		return address{}, false
	}
	isAbstract := path[0] == '@'
	if !isAbstract && strings.Contains(path, "@") && !strings.Contains(path, "/") {
		return address{}, false // user@host
	}
	if !isAbstract && !strings.Contains(path, "/") {
		path = "./" + path // so that it is known as a path when it is read again
	}
	return address{"unix", path}, true
}

// hostAddress reads what has a single colon as host and port; an IPv6 address needs
// brackets to have a port.
func hostAddress(text string) (address, bool) {
	host, port, ported := text, "", false
	switch inner, bracketed := strings.CutPrefix(text, "["); {
	case bracketed:
		var rest string
		host, rest, bracketed = strings.Cut(inner, "]")
		port, ported = strings.CutPrefix(rest, ":")
		if !bracketed || !isIPv6(host) || rest != "" && !ported {
			return address{}, false
		}
	case strings.Count(text, ":") == 1:
		host, port, ported = strings.Cut(text, ":")
	}
	if !ported {
		port = defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || !isIPv6(host) && !isHostName(host) {
		return address{}, false
	}
	return address{"tcp", net.JoinHostPort(host, strconv.FormatUint(n, 10))}, true
}

func isIPv6(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is6()
}

// isHostName is generous: whether a name is known is for the resolver to say.
func isHostName(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	})
}

// NewServerList returns a selector of servers, whose addresses ParseServer reads. A key
// lives where gomemcache's ServerList would have it: that depends on the number of
// servers and their order only. But a name stays a name until a connection is made, so
// that nothing is looked up here, a server that moves is found again, and TLS has a name
// to verify. It also does what NewSelector does. It is for a *memcache.Client that is
// brought along, as memcache.NewFromSelector takes it, and for Config.Selector.
func NewServerList(servers ...string) (memcache.ServerSelector, error) {
	addrs, err := parseServers(servers)
	if err != nil {
		return nil, err
	}
	return NewSelector(&serverList{addrs}), nil
}

func parseServers(servers []string) ([]net.Addr, error) {
	addrs := make([]net.Addr, len(servers))
	for i, server := range servers {
		addr, err := ParseServer(server)
		if err != nil {
			return nil, fmt.Errorf("%q %w", server, err)
		}
		addrs[i] = addr
	}
	return addrs, nil
}

// serverList spreads keys over servers.
type serverList struct{ addrs []net.Addr }

func (l *serverList) PickServer(key string) (net.Addr, error) {
	if len(l.addrs) == 0 {
		return nil, memcache.ErrNoServers
	}
	return l.addrs[crc32.ChecksumIEEE([]byte(key))%uint32(len(l.addrs))], nil
}

func (l *serverList) Each(f func(net.Addr) error) error {
	for _, addr := range l.addrs {
		if err := f(addr); err != nil {
			return err
		}
	}
	return nil
}
