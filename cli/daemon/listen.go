package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lockcached/lockcached/cli/internal/exit"
)

// How long -l waits for the addresses of a host name.
const resolveTimeout = 5 * time.Second

// A listener is an address that is open, and how TLS is spoken there.
type listener struct {
	net.Listener
	tls tlsMode
}

// listen opens the Unix socket or every TCP address, unless systemd has opened sockets for us.
// If one fails, none stays open.
func listen(c *config) ([]listener, error) {
	inherited, err := activated()
	if err != nil {
		closeAll(inherited)
		return nil, err
	}
	if len(inherited) > 0 {
		return inherited, nil
	}
	if c.socket != "" {
		l, err := listenUnix(c.socket, c.socketMode)
		if err != nil {
			return nil, err
		}
		return []listener{{l, tlsOff}}, setBacklog(l, c.server.Settings.Backlog)
	}
	var list []listener
	for _, e := range c.listen {
		opened, err := listenTCP(c, e)
		list = append(list, opened...)
		if err != nil {
			closeAll(list)
			return nil, err
		}
	}
	return list, nil
}

func closeAll(list []listener) {
	for _, l := range list {
		l.Close()
	}
}

// listenTCP opens every address of e's host. An address that this machine does not have, such as
// ::1 without IPv6, is left out as long as another one works.
func listenTCP(c *config, e endpoint) ([]listener, error) {
	addrs, err := resolve(e.host)
	if err != nil {
		return nil, exit.Refuse("-l "+e.text, "cannot resolve: "+err.Error())
	}
	var list []listener
	var absent error
	for _, addr := range addrs {
		at := netip.AddrPortFrom(addr, uint16(e.port))
		l, err := listenAddr(at, c.server.Settings.Backlog)
		switch {
		case err == nil:
			list = append(list, listener{l, e.tls})
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			absent = err
		default:
			return list, cannotListen("-l "+e.text, at.String(), e.portFlag(), err)
		}
	}
	if len(list) == 0 {
		return nil, exit.Refuse("-l "+e.text, noSuchAddress(absent))
	}
	if absent != nil {
		c.warn("-l %s: one of its addresses is left out: %v", e.text, absent)
	}
	return list, nil
}

// resolve returns the addresses that a host of -l stands for.
func resolve(host string) ([]netip.Addr, error) {
	if host == "*" {
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	// A hosts file may name an address twice, which could not be opened twice.
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), err
}

func listenAddr(addr netip.AddrPort, backlog int) (net.Listener, error) {
	network := "tcp6" // IPv6 alone, so that 0.0.0.0 can be listened on beside it
	if addr.Addr().Is4() {
		network = "tcp4"
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // the socket options for silent peers are plain TCP's
	l, err := lc.Listen(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	return l, setBacklog(l, backlog)
}

// setBacklog calls listen again, because package net has no parameter for the backlog.
func setBacklog(l net.Listener, backlog int) error {
	conn, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) })
	return errors.Join(err, failed)
}

// listenUnix opens the Unix socket; closing it removes the file.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if err := removeStaleSocket(path); err != nil {
		return nil, err
	}
	// A chmod afterwards would leave a moment in which anybody can connect.
	old := syscall.Umask(int(^mode & fs.ModePerm))
	defer syscall.Umask(old)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, cannotListenUnix(path, err)
	}
	return l, nil
}

// removeStaleSocket removes the socket of a server that was killed. It refuses a socket that is in
// use, and a file that is no socket.
func removeStaleSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cannotListenUnix(path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return exit.Refuse("-s "+path, "exists and is no socket; name a file that does not exist")
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return cannotListenUnix(path, syscall.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return cannotListenUnix(path, err)
	}
	return os.Remove(path)
}

// writePorts writes the ports in use to a file, for test suites that start a server with -p -1.
// The file appears only when it is complete.
func writePorts(name string, list []listener) error {
	var b strings.Builder
	for _, l := range list {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		family := "INET6"
		if addr.IP.To4() != nil {
			family = "INET"
		}
		fmt.Fprintf(&b, "TCP %s: %d\n", family, addr.Port)
	}
	return writeFile(name, b.String())
}

// writeFile writes a file that appears only when it is complete.
func writeFile(name, content string) error {
	tmp := name + ".lck" // memcached's name for it
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// tlsFor returns the TLS configuration of a listener; nil for plain text.
func (c *config) tlsFor(l listener) *tls.Config {
	if _, isTCP := l.Addr().(*net.TCPAddr); !isTCP || !c.tls.enabled || l.tls == tlsOff {
		return nil
	}
	return c.tls.config(l.tls)
}

// config is the TLS configuration of an address, without certificates.
func (t *tlsConfig) config(mode tlsMode) *tls.Config {
	auth := clientAuth[t.verify]
	switch mode {
	case tlsNoPeer:
		auth = tls.NoClientCert
	case tlsPeer:
		auth = tls.RequireAndVerifyClientCert
	}
	return &tls.Config{
		MinVersion:             max(t.minVersion, tls.VersionTLS12),
		ClientAuth:             auth,
		SessionTicketsDisabled: !t.sessions,
	}
}
