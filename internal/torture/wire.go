//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// answerWithin is how long an answer may take beyond the wait that was asked for, and how
// long connecting may take: a busy machine may stand still for long.
const answerWithin = time.Minute

// A client is a connection that can be broken in all the ways there are, which
// no library offers.
type client struct {
	*net.TCPConn
	in *bufio.Reader
}

func dial(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("%s: not a TCP address", addr)
	}
	return &client{tcp, bufio.NewReaderSize(tcp, 256)}, nil
}

// reset breaks the connection without a goodbye, as a crashed host does. It also leaves no
// port in TIME_WAIT.
func (c *client) reset() {
	c.SetLinger(0)
	c.Close()
}

// A reply is an answer: the words of its first line and, if it shows an item,
// the value.
type reply struct {
	words []string
	value string
}

// word is what kind of reply it is; "" if there was none.
func (r reply) word() string {
	if len(r.words) == 0 {
		return ""
	}
	return r.words[0]
}

// token is the CAS id at the end of a VALUE line, or that of flag c; 0 if there
// is none.
func (r reply) token() uint64 {
	if r.word() == "VALUE" && len(r.words) == 5 {
		n, _ := strconv.ParseUint(r.words[4], 10, 64) // no token if the line is wrong
		return n
	}
	return r.flag('c')
}

// flag is the number after a flag of a meta reply; 0 if it is not there.
func (r reply) flag(letter byte) uint64 {
	if word := r.word(); word != "HD" && word != "VA" {
		return 0
	}
	for _, word := range r.words[1:] {
		if word[0] == letter {
			n, _ := strconv.ParseUint(word[1:], 10, 64)
			return n
		}
	}
	return 0
}

// ask sends a request and returns the answer.
func (c *client) ask(request string, within time.Duration) (reply, error) {
	if err := c.send(request, within); err != nil {
		return reply{}, err
	}
	return c.answer()
}

// send sends a request. The request and its answer may take within.
func (c *client) send(request string, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := io.WriteString(c, request)
	return err
}

// answer reads one answer.
func (c *client) answer() (reply, error) {
	line, err := c.line()
	if err != nil {
		return reply{}, err
	}
	r := reply{words: strings.Fields(line)}
	switch {
	case len(r.words) == 0:
		return r, errors.New("an empty line for an answer")
	case r.word() == "VALUE" && len(r.words) >= 4:
		r.value, err = c.value(r.words[3], "\r\nEND\r\n")
	case r.word() == "VA" && len(r.words) >= 2:
		r.value, err = c.value(r.words[1], "\r\n")
	}
	if err != nil {
		return r, fmt.Errorf("behind %q: %w", line, err)
	}
	return r, nil
}

// value reads a data block and the end that has to follow it.
func (c *client) value(size, end string) (string, error) {
	n, err := strconv.ParseUint(size, 10, 24)
	if err != nil {
		return "", err
	}
	block := make([]byte, int(n)+len(end))
	if _, err := io.ReadFull(c.in, block); err != nil {
		return "", err
	}
	if got := string(block[n:]); got != end {
		return "", fmt.Errorf("a value ends with %q", got)
	}
	return string(block[:n]), nil
}

// line reads a line, which has to end as the protocol says.
func (c *client) line() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = fmt.Errorf("half an answer: %q", line)
		}
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return "", fmt.Errorf("a line without CR: %q", line)
	}
	return text, nil
}

// Requests as text.

func add(key string, lease time.Duration, value string) string {
	return fmt.Sprintf("add %s 0 %d %d\r\n%s\r\n", key, int(lease.Seconds()), len(value), value)
}

// metaAdd is a claim that is told its token.
func metaAdd(key string, lease time.Duration, value, flags string) string {
	return fmt.Sprintf("ms %s %d ME T%d c%s\r\n%s\r\n", key, len(value), int(lease.Seconds()), flags, value)
}

// cas stores by token. Without a lease it releases.
func cas(key string, lease time.Duration, value string, token uint64) string {
	exptime := int(lease.Seconds())
	if lease == 0 {
		exptime = -1
	}
	return fmt.Sprintf("cas %s 0 %d %d %d\r\n%s\r\n", key, exptime, len(value), token, value)
}

func remove(key string, token uint64) string { return fmt.Sprintf("md %s C%d\r\n", key, token) }

func touch(key string, lease time.Duration) string {
	return fmt.Sprintf("touch %s %d\r\n", key, int(lease.Seconds()))
}

// waitFor names the key of an add that is ready to wait.
func waitFor(key string, wait time.Duration) string {
	return protocol.WaitKey(wait, key)
}
