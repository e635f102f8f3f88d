package server

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/journal"
)

// Opcodes of the binary protocol that these tests send.
const (
	opGet    = "\x00"
	opAdd    = "\x02"
	opDelete = "\x04"
	opNoop   = "\x0a"
	opAddQ   = "\x12"
	opList   = "\x20"
	opAuth   = "\x21"
)

// thirty is the extras of a storage command: no flags, and an exptime of 30 s.
const thirty = "\x00\x00\x00\x00\x00\x00\x00\x1e"

// packet is a request of the binary protocol, with the first byte of its opaque.
func packet(op string, opaque byte, cas uint64, extras, key, value string) string {
	b := append([]byte{0x80}, op...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = append(b, opaque, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, cas)
	return string(b) + extras + key + value
}

// readPacket reads a reply of the binary protocol: its first byte of opaque, status and value
// as text, and its CAS.
func readPacket(r io.Reader) (text string, cas uint64, err error) {
	var h [24]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return "", 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(h[8:]))
	_, err = io.ReadFull(r, body)
	extras, key := int(h[4]), int(binary.BigEndian.Uint16(h[2:]))
	text = fmt.Sprintf("%d %02x %s", h[12], binary.BigEndian.Uint16(h[6:]), body[extras+key:])
	return text, binary.BigEndian.Uint64(h[16:]), err
}

// getsPackets compares what has arrived since the last call with packets. It returns the CAS of
// the last one.
func (c *pipeClient) getsPackets(want ...string) (cas uint64) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var got []string
	for c.got.Len() > 0 {
		text, id, err := readPacket(&c.got)
		must(c.t, err)
		got, cas = append(got, text), id
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("got %q, want %q", got, want)
	}
	return cas
}

// A client that waits in line by name gets its grant's token from whoever releases the lock.
func TestPacketWaitsByName(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		holder, waiter := hold(t, s, "lock"), connect(t, s)
		waiter.write(packet(opAdd, 1, 0, thirty, "lockcached:wait=2s:lock", "me") + packet(opNoop, 2, 0, "", "", ""))
		waiter.getsPackets()
		pass(time.Second)
		holder.send("delete lock")
		holder.gets("DELETED")
		waiter.getsPackets("1 00 ", "2 00 ")
		waiter.write(packet(opGet, 3, 0, "", "lock", ""))
		token := waiter.getsPackets("3 00 me")
		if token == 0 {
			t.Error("no token")
		}
		waiter.write(packet(opDelete, 4, token+1, "", "lock", "") + packet(opDelete, 5, token, "", "lock", ""))
		waiter.getsPackets("4 02 Data exists for key.", "5 00 ")
	})
}

// The answer to a claim that waits in vain, and to one that more input has ended. A client that
// shares one connection among threads must not wait for itself.
func TestPacketWaitsByPolicy(t *testing.T) {
	bubbleOf(t, waiting(policy("*", time.Second)), Config{}, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.write(packet(opAdd, 1, 0, thirty, "lock", "a"))
		token := c.getsPackets("1 00 ")
		c.write(packet(opAdd, 2, 0, thirty, "lock", "b"))
		c.getsPackets()
		c.write(packet(opDelete, 3, token, "", "lock", ""))
		c.getsPackets("2 02 Data exists for key.", "3 00 ")

		hold(t, s, "lock")
		c.write(packet(opAdd, 4, 0, thirty, "lock", "c"))
		pass(time.Second - 1)
		c.getsPackets()
		pass(1)
		c.getsPackets("4 02 Data exists for key.")
	})
}

// A claim without an answer to its success never waits.
func TestQuietPacketDoesNotWait(t *testing.T) {
	bubbleOf(t, waiting(policy("*", time.Minute)), Config{}, func(t *testing.T, s *Server) {
		hold(t, s, "lock")
		c := connect(t, s)
		c.write(packet(opAddQ, 1, 0, thirty, "free", "a"))
		c.getsPackets()
		c.write(packet(opAddQ, 2, 0, thirty, "lock", "b"))
		c.getsPackets("2 02 Data exists for key.")
		c.write(packet(opAddQ, 3, 0, thirty, "lockcached:wait=2s:lock", "b"))
		c.getsPackets("3 02 Data exists for key.")
	})
}

// If the journal fails, a reply is replaced in its own dialect, and a quiet success gets one.
func TestPacketsOnAFullDisk(t *testing.T) {
	d := &disk{}
	_, dial := durable(t, "tcp", journal.Interval, d)
	c := dial()
	d.fill(true)
	_, err := c.Write([]byte(packet(opNoop, 1, 0, "", "", "") + packet(opAdd, 2, 0, thirty, "a", "me") +
		packet(opAddQ, 3, 0, thirty, "b", "me") + packet(opNoop, 4, 0, "", "", "")))
	must(t, err)
	full := " 84 " + strings.TrimPrefix(noSpace, "SERVER_ERROR ")
	for _, want := range []string{"1 00 ", "2" + full, "3" + full, "4 00 "} {
		if got, _, err := readPacket(c.in); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestPacketLogin(t *testing.T) {
	bubble(t, asking(), func(t *testing.T, s *Server) {
		auth := func(opaque byte, credentials string) string {
			return packet(opAuth, opaque, 0, "", "PLAIN", credentials)
		}
		c := connect(t, s)
		c.write(packet(opList, 1, 0, "", "", "") + auth(2, "\x00foo\x00baz") + auth(3, "\x00foo\x00bar") +
			packet(opList, 4, 0, "", "", "") + packet(opNoop, 5, 0, "", "", ""))
		c.getsPackets("1 00 PLAIN", "2 20 Auth failure.", "3 00 Authenticated", "4 00 PLAIN", "5 00 ")
		if n, wrong := s.counts.logins.Load(), s.counts.loginErrors.Load(); n != 2 || wrong != 1 {
			t.Errorf("%d logins, %d failed", n, wrong)
		}
		pass(time.Hour) // it is logged in, and may stay

		c.write(auth(6, "\x00foo\x00baz") + packet(opNoop, 7, 0, "", "", ""))
		c.getsPackets("6 20 Auth failure.", "7 20 Auth failure.")
		if !c.isClosed() {
			t.Error("a stranger is still served")
		}
	})
}
