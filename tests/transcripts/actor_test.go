package transcripts_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// An actor is a client: one connection, read in the background.
type actor struct {
	conn    net.Conn
	chunks  chan []byte // what was read; closed when the connection is
	unread  []byte      // taken from chunks, and not yet by next
	ended   bool        // chunks is closed
	packets bool        // it has sent packets
	asked   []question  // the packets that may still be answered, oldest first
}

// A question is what a reply has to repeat.
type question struct {
	opcode byte
	opaque uint32
}

var (
	errWaiting = errors.New(waiting)
	errClosed  = errors.New(closed)
)

func newActor(conn net.Conn) *actor {
	c := &actor{conn: conn, chunks: make(chan []byte, 1<<12)}
	go c.read()
	return c
}

func (c *actor) read() {
	defer close(c.chunks)
	for {
		b := make([]byte, 1<<12)
		n, err := c.conn.Read(b)
		if n > 0 {
			c.chunks <- b[:n]
		}
		if err != nil {
			return
		}
	}
}

// next returns the next message, errWaiting if none is there for as long as patience, or
// errClosed.
func (c *actor) next(cut framing, patience time.Duration) (string, error) {
	impatient := time.After(patience)
	for {
		c.receive()
		message, size := cut(c.unread)
		switch {
		case size > 0:
			c.unread = c.unread[size:]
			return message, nil
		case c.ended && len(c.unread) > 0:
			message, c.unread = string(c.unread), nil
			return message, nil
		case c.ended:
			return "", errClosed
		case patience == 0:
			return "", c.errWaiting()
		}
		select {
		case chunk, open := <-c.chunks:
			c.take(chunk, open)
		case <-impatient:
			return "", c.errWaiting()
		}
	}
}

// errWaiting also shows the part of a message that has come.
func (c *actor) errWaiting() error {
	if len(c.unread) == 0 {
		return errWaiting
	}
	return fmt.Errorf("only a part: %s", fieldText(string(c.unread)))
}

// receive takes what was read so far.
func (c *actor) receive() {
	for !c.ended {
		select {
		case chunk, open := <-c.chunks:
			c.take(chunk, open)
		default:
			return
		}
	}
}

func (c *actor) take(chunk []byte, open bool) {
	c.unread = append(c.unread, chunk...)
	c.ended = !open
}

// A framing cuts the first message from what was read: what a story sees of it, and how many
// bytes it takes; 0 if it has not come as a whole.
type framing func(unread []byte) (message string, size int)

func cutLine(unread []byte) (string, int) {
	end := bytes.IndexByte(unread, '\n') + 1
	return strings.TrimSuffix(string(unread[:end]), "\r\n"), end
}

// cutPacket leaves to others what does not begin as a packet does.
func cutPacket(unread []byte) (string, int) {
	switch {
	case len(unread) > 0 && unread[0] != replyMagic:
		return cutLine(unread)
	case len(unread) < headerSize || len(unread) < packetSize(unread):
		return "", 0
	}
	size := packetSize(unread)
	return string(unread[:size]), size
}

// framing is that of whatever comes to this client.
func (c *actor) framing() framing {
	if c.packets {
		return cutPacket
	}
	return cutLine
}

// listen returns what comes until it is silent for as long as hush, and leaves it to be read.
func (c *actor) listen(hush time.Duration) heard {
	for silent := false; !silent && !c.ended; {
		c.receive()
		select {
		case chunk, open := <-c.chunks:
			c.take(chunk, open)
		case <-time.After(hush):
			silent = true
		}
	}
	h := heard{closed: c.ended, packets: c.packets}
	for rest := c.unread; len(rest) > 0; {
		message, size := c.framing()(rest)
		if size == 0 {
			message, size = string(rest), len(rest)
		}
		h.messages = append(h.messages, message)
		rest = rest[size:]
	}
	return h
}

// expectEnd waits for as long as patience and wants nothing to be read but that end.
func (c *actor) expectEnd(end error, patience time.Duration) error {
	if message, err := c.next(c.framing(), patience); !errors.Is(err, end) {
		return fmt.Errorf("read %s", c.describe(message, err))
	}
	return nil
}

// ask notes a packet that is sent.
func (c *actor) ask(packet []byte) {
	c.packets = true
	c.asked = append(c.asked, question{packet[1], binary.BigEndian.Uint32(packet[12:])})
}

// answered crosses off the packet that a reply answers, and those before it, which were
// quiet. A reply repeats the opaque of one that is not crossed off yet, or that the story says.
func (c *actor) answered(r reply, message string) error {
	if r.packet == nil {
		return nil
	}
	p, wrong := parsePacket(message)
	if wrong != "" {
		return errors.New(wrong)
	}
	i := slices.Index(c.asked, question{p.opcode, p.opaque})
	switch _, said := r.packet.fields["opaque"]; {
	case i < 0 && said:
		return nil
	case i < 0:
		return fmt.Errorf("read %v: it is not the opaque of a %s that waits for a reply", p, commandOf(p.opcode).name)
	case p.opcode != stat:
		i++ // stat is answered by many packets
	}
	c.asked = c.asked[i:]
	return nil
}

// describe shows what next returned.
func (c *actor) describe(message string, err error) string {
	if err != nil {
		return err.Error()
	}
	if p, wrong := parsePacket(message); wrong == "" && c.packets {
		return p.String()
	}
	return replyText(message)
}
