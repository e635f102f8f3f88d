package documents_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"

	"github.com/bradfitz/gomemcache/memcache"
)

// SECURITY.md shows this function.

// logIn has a gomemcache client say who it is, first thing on each connection.
func logIn(mc *memcache.Client, user, password string) {
	mc.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address) // or that of a tls.Dialer
		if err != nil {
			return nil, err
		}
		login, answer := user+" "+password, make([]byte, len("STORED\r\n"))
		_, err = io.WriteString(conn, "set login 0 0 "+strconv.Itoa(len(login))+"\r\n"+login+"\r\n")
		if err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err == nil && string(answer) != "STORED\r\n" {
			err = errors.New("memcache: wrong user or password")
		}
		if err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}
