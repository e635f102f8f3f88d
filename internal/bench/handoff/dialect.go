//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

const (
	lockName     = "bench:handoff"
	leaseSeconds = 60 // of a hold, and the longest that a claim waits
)

// A verdict is what a reply says about the claim or the release it answers.
type verdict int

const (
	unfinished verdict = iota // more of the reply is to come
	granted
	refused // ask again
	released
)

// A dialect is how clients talk to a system.
type dialect interface {
	// greet readies a fresh connection. The server's answer also means that it has accepted
	// the connection: PoolCounter leaves room for twenty that it has not.
	greet(conn net.Conn, c *client) error
	// answer understands a reply; an unexpected one is an error.
	answer(c *client, reply []byte) (verdict, error)
}

// wordDialect is the dialect of a server that answers with words.
type wordDialect struct {
	hello, helloReply string // the reply's beginning; it is one line
	claim, release    func(number int) string
	words             map[string]verdict
}

// waitingAdd makes the client wait in lockcached's line.
func waitingAdd(int) dialect {
	return memcachedDialect(protocol.WaitKey(leaseSeconds*time.Second, ""))
}

// polledAdd makes the client come back until it gets the lock.
func polledAdd(int) dialect { return memcachedDialect("") }

func memcachedDialect(option string) dialect {
	return wordDialect{
		hello:      "version\r\n",
		helloReply: "VERSION ",
		claim: func(number int) string {
			value := holderName(number)
			return fmt.Sprintf("add %s%s 0 %d %d\r\n%s\r\n", option, lockName, leaseSeconds, len(value), value)
		},
		release: func(int) string { return "delete " + lockName + "\r\n" },
		words:   map[string]verdict{"STORED\r\n": granted, "NOT_STORED\r\n": refused, "DELETED\r\n": released},
	}
}

func holderName(number int) string { return fmt.Sprintf("holder-%09d", number) }

// poolCounter lets one client in and makes the others wait for their turn.
func poolCounter(clients int) dialect {
	const room = 1000 // in the line, unless there are as many clients
	return wordDialect{
		hello:      "STATS UPTIME\n",
		helloReply: "uptime: ",
		claim: func(int) string {
			return fmt.Sprintf("ACQ4ME %s 1 %d %d\n", lockName, max(room, 2*clients), leaseSeconds)
		},
		release: func(int) string { return "RELEASE\n" },
		words:   map[string]verdict{"LOCKED\n": granted, "RELEASED\n": released},
	}
}

func (d wordDialect) greet(conn net.Conn, c *client) error {
	c.claim, c.release = []byte(d.claim(c.number)), []byte(d.release(c.number))
	if _, err := io.WriteString(conn, d.hello); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, d.helloReply) {
		err = fmt.Errorf("unexpected reply to %q: %q", d.hello, line)
	}
	return err
}

func (d wordDialect) answer(_ *client, reply []byte) (verdict, error) {
	if v, ok := d.words[string(reply)]; ok {
		return v, nil
	}
	if bytes.HasSuffix(reply, []byte("\n")) {
		return 0, fmt.Errorf("unexpected reply %q", reply)
	}
	return unfinished, nil
}

// etcdDialect speaks JSON with etcd's lock service, which is made of
// concurrency.Mutex. Its own Go client says the same over gRPC and would be a
// heavy dependency; most of the time goes into writing to disk in any case.
type etcdDialect struct{}

func etcdLock(int) dialect { return etcdDialect{} }

// greet gets the client a lease, as concurrency.NewSession does.
func (d etcdDialect) greet(conn net.Conn, c *client) error {
	if _, err := conn.Write(post("/v3/lease/grant", map[string]any{"TTL": leaseSeconds})); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var lease struct{ ID string }
	if err := json.NewDecoder(response.Body).Decode(&lease); err != nil {
		return err
	}
	if lease.ID == "" {
		return fmt.Errorf("no lease: %s", response.Status)
	}
	name := base64.StdEncoding.EncodeToString([]byte(lockName))
	c.claim = post("/v3/lock/lock", map[string]any{"name": name, "lease": lease.ID})
	return nil
}

func post(path string, body map[string]any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers always have a JSON form
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, len(text), text)
}

func (d etcdDialect) answer(c *client, reply []byte) (verdict, error) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(reply)), nil)
	if err != nil {
		return unfinished, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return unfinished, nil
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", response.Status, body)
	}
	var lock struct{ Key string }
	if err := json.Unmarshal(body, &lock); err != nil {
		return 0, err
	}
	if lock.Key == "" {
		return released, nil // the answer to unlock names no key
	}
	c.release = post("/v3/lock/unlock", map[string]any{"key": lock.Key})
	return granted, nil
}
