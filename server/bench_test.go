package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/locks"
)

// benchServer starts a server on a loopback socket until the benchmark ends.
func benchServer(b *testing.B, c Config) (dial func() net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	m := locks.NewManager(locks.Config{})
	go m.Run(b.Context())
	c.Locks = m
	s := New(c)
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Shutdown(b.Context()) })
	return func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// exchange sends requests and reads as many bytes as their answers have.
func exchange(b *testing.B, conn net.Conn, requests string, answers []byte) {
	if _, err := io.WriteString(conn, requests); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answers); err != nil {
		b.Fatal(err)
	}
}

// Each operation is an add and a delete.
func BenchmarkAddDelete(b *testing.B) {
	for _, inFlight := range []int{1, 16} {
		b.Run(fmt.Sprint("in-flight-", inFlight), func(b *testing.B) {
			conn := benchServer(b, Config{})()
			requests := strings.Repeat("add lock:job 0 30 16\r\n0123456789abcdef\r\ndelete lock:job\r\n", inFlight)
			answers := make([]byte, inFlight*len("STORED\r\nDELETED\r\n"))
			b.ReportAllocs()
			for done := 0; done < b.N; done += inFlight {
				exchange(b, conn, requests, answers)
			}
		})
	}
}

// Each operation is a release that hands the lock to the other client. A client that has
// released the lock gets in line again.
func BenchmarkHandOff(b *testing.B) {
	dial := benchServer(b, Config{})
	clients := [2]net.Conn{dial(), dial()}
	const claim = "add lockcached:wait=60s:lock:job 0 30 16\r\n0123456789abcdef\r\n"
	stored, released := make([]byte, len("STORED\r\n")), make([]byte, len("DELETED\r\n"))
	exchange(b, clients[0], claim, stored)
	b.ReportAllocs()
	for i := range b.N {
		holder, waiter := clients[i%2], clients[1-i%2]
		if _, err := io.WriteString(waiter, claim); err != nil {
			b.Fatal(err)
		}
		exchange(b, holder, "delete lock:job\r\n", released)
		if _, err := io.ReadFull(waiter, stored); err != nil {
			b.Fatal(err)
		}
	}
}

// Each operation is a request of one of many clients, which all send at the same time.
func BenchmarkCrowd(b *testing.B) {
	for _, clients := range []int{2, 8, 64} {
		for name, plain := range map[string]bool{"batch": false, "plain": true} {
			b.Run(fmt.Sprintf("%s-%d", name, clients), func(b *testing.B) {
				dial := benchServer(b, Config{NoBatchCalls: plain})
				conns := make([]net.Conn, clients)
				for i := range conns {
					conns[i] = dial()
				}
				answer := make([]byte, len("END\r\n"))
				b.ReportAllocs()
				for done := 0; done < b.N; done += clients {
					for _, conn := range conns {
						if _, err := io.WriteString(conn, "get lock:job\r\n"); err != nil {
							b.Fatal(err)
						}
					}
					for _, conn := range conns {
						if _, err := io.ReadFull(conn, answer); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
