//go:build linux

package main

import (
	"fmt"
	"strings"
)

// textDialect is the classic text protocol.
type textDialect struct{}

func storage(verb, key string, exptime int, value, reply string) exchange {
	return exchange{
		request: fmt.Sprintf("%s %s 0 %d %d\r\n%s\r\n", verb, key, exptime, len(value), value),
		reply:   reply + "\r\n",
	}
}

func (textDialect) add(key string, holder int) exchange {
	return storage("add", key, lease, holderName(holder), "STORED")
}

func (textDialect) refusedAdd(key string, claimer int) exchange {
	return storage("add", key, lease, holderName(claimer), "NOT_STORED")
}

func (textDialect) set(key, value string) exchange {
	return storage("set", key, 0, value, "STORED")
}

func (textDialect) get(key, value string) exchange {
	return exchange{
		request: "get " + key + "\r\n",
		reply:   fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(value), value),
	}
}

func (d textDialect) release(key string, _ int) exchange { return d.remove(key) }

func (textDialect) remove(key string) exchange {
	return exchange{request: "delete " + key + "\r\n", reply: "DELETED\r\n"}
}

// counterDigits is the width that counters keep: they start so high that no
// run can lengthen them.
const counterDigits = 10

func counter(n int) string { return fmt.Sprint(1_000_000_000 + n) }

func increments(key string, n int) batch {
	var replies strings.Builder
	for i := range n {
		replies.WriteString(counter(i+1) + "\r\n")
	}
	requests := strings.Repeat("incr "+key+" 1\r\n", n)
	return batch{requests: []byte(requests), replies: []byte(replies.String()), ops: n, counts: true}
}

// advance adds n to each of the counters, in place.
func advance(counters []byte, n int) {
	for line := counters; len(line) > 0; line = line[counterDigits+len("\r\n"):] {
		raise(line[:counterDigits], n)
	}
}
