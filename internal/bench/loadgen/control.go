//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"time"
)

const answerWithin = 5 * time.Second

// control is a connection on which one batch at a time is sent and awaited. It
// sets the scene for what is measured.
type control struct{ net.Conn }

func dialControl(addr string) (control, error) {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	return control{conn}, err
}

// do sends a batch and checks its replies.
func (c control) do(b batch) error {
	if err := c.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	if _, err := c.Write(b.requests); err != nil {
		return err
	}
	replies := make([]byte, len(b.replies))
	n, err := io.ReadFull(c, replies)
	if !b.accepts(replies[:n], 0) {
		return unexpected(b, replies[:n], b.replies)
	}
	return err
}

// doAll sends batches one after the other on a connection of their own.
func doAll(addr string, batches []batch) error {
	c, err := dialControl(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, b := range batches {
		if err := c.do(b); err != nil {
			return err
		}
	}
	return nil
}

// unexpected is the error for replies to b that are not the expected ones.
func unexpected(b batch, got, want []byte) error {
	const excerpt = 200
	return fmt.Errorf("unexpected reply to %.*q: got %.*q, want %.*q", excerpt, b.requests, excerpt, got, excerpt, want)
}
