package transcripts_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pipeListener is a listening socket without a network: each of its connections is a
// net.Pipe, with what a socket has and transcripts need: room for what the server has not
// read yet, and half-close.
type pipeListener struct {
	address net.TCPAddr
	dialed  chan net.Conn
	closed  chan struct{}
	close   func() // closes closed
}

func newPipeListener() *pipeListener {
	closed := make(chan struct{})
	return &pipeListener{
		address: net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 11211},
		dialed:  make(chan net.Conn),
		closed:  closed,
		close:   sync.OnceFunc(func() { close(closed) }),
	}
}

func (l *pipeListener) Addr() net.Addr { return &l.address }

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.dialed:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// dial connects a client whose messages arrive whole or a byte at a time.
func (l *pipeListener) dial(bytewise bool) (net.Conn, error) {
	near, far := net.Pipe()
	server := &pipeServer{Conn: far, address: l.address}
	select {
	case l.dialed <- server:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	client := &pipeClient{Conn: near, server: server, unsent: make(chan []byte, 1<<10), bytewise: bytewise}
	go client.transmit()
	return client, nil
}

type pipeClient struct {
	net.Conn
	server   *pipeServer
	unsent   chan []byte
	stopped  bool // unsent is closed
	bytewise bool
}

// longMessage is the length from which on a message is cut into pieces instead of bytes, so
// that large values do not take minutes.
const longMessage = 1 << 14

// transmit carries to the server what was written, in pieces if asked for.
func (c *pipeClient) transmit() {
	for message := range c.unsent {
		piece := len(message)
		switch {
		case c.bytewise && piece <= longMessage:
			piece = 1
		case c.bytewise:
			piece = 1021 // prime, so that no buffer boundary is met by chance
		}
		for len(message) > 0 {
			n, err := c.Conn.Write(message[:min(piece, len(message))])
			if err != nil {
				return
			}
			message = message[n:]
		}
	}
	c.server.endOfInput()
}

func (c *pipeClient) Write(b []byte) (int, error) {
	c.unsent <- append([]byte(nil), b...)
	return len(b), nil
}

func (c *pipeClient) CloseWrite() error {
	if !c.stopped {
		c.stopped = true
		close(c.unsent)
	}
	return nil
}

func (c *pipeClient) Close() error {
	err := c.Conn.Close()
	_ = c.CloseWrite() // ends transmit
	return err
}

// pipeServer is the server's end. net.Pipe has no half-close, so a read
// deadline in the past stands for it.
type pipeServer struct {
	net.Conn
	address net.TCPAddr
	ended   atomic.Bool
}

func (s *pipeServer) LocalAddr() net.Addr  { return &s.address }
func (s *pipeServer) RemoteAddr() net.Addr { return &s.address }

func (s *pipeServer) endOfInput() {
	s.ended.Store(true)
	_ = s.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (s *pipeServer) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.ended.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

func (s *pipeServer) SetReadDeadline(t time.Time) error {
	if s.ended.Load() {
		return nil
	}
	return s.Conn.SetReadDeadline(t)
}

func (s *pipeServer) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}
