package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/testenv"
)

// NewClient returns a gomemcache client for a server of its own.
func NewClient(t *testing.T, flags ...string) *memcache.Client {
	t.Helper()
	return ClientOf(t, RunServer(t, flags...))
}

// ClientOf returns a gomemcache client that is as patient as a test.
func ClientOf(t *testing.T, address string) *memcache.Client {
	t.Helper()
	client := memcache.New(address)
	client.Timeout = testenv.Patience
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Is fails the test unless err is the one wanted.
func Is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// Holds fails the test unless the key has that value.
func Holds(t *testing.T, c *memcache.Client, key, want string) *memcache.Item {
	t.Helper()
	item, err := c.Get(key)
	if err != nil {
		t.Fatalf("get %s: %v, want %q", key, err, want)
	}
	if string(item.Value) != want {
		t.Fatalf("get %s: %q, want %q", key, item.Value, want)
	}
	return item
}

// Item returns an item without client flags; expiration is in seconds.
func Item(key, value string, expiration int32) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value), Expiration: expiration}
}

// WantFields reads a line of name=value pairs and fails the test if a wanted one is
// missing.
func WantFields(t *testing.T, c *memcache.Client, key, want string) {
	t.Helper()
	item, err := c.Get(key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	line := " " + string(item.Value) + " "
	for field := range strings.FieldsSeq(want) {
		if !strings.Contains(line, " "+field+" ") {
			t.Errorf("%s: no %s in %s", key, field, item.Value)
		}
	}
}

// WaitForField asks for the key until its value has the field.
func WaitForField(t *testing.T, c *memcache.Client, key, field string) {
	t.Helper()
	testenv.Eventually(t, key+" has "+field, func() bool {
		item, err := c.Get(key)
		if err != nil {
			t.Fatalf("get %s: %v", key, err)
		}
		return bytes.Contains(item.Value, []byte(" "+field+" "))
	})
}

// Ask sends one command and returns the lines of the answer, up to the END, which is
// left out.
func Ask(t *testing.T, address, command string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testenv.Patience))
	fmt.Fprintf(conn, "%s\r\n", command)
	var lines []string
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%s: %v after %q", command, err, lines)
		}
		if line = strings.TrimSuffix(line, "\r\n"); line == "END" {
			return lines
		}
		lines = append(lines, line)
	}
}

// StatsOf reads the general stats.
func StatsOf(t *testing.T, address string) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for _, line := range Ask(t, address, "stats") {
		if words := strings.Fields(line); len(words) == 3 {
			values[words[1]] = words[2]
		}
	}
	return values
}
