//go:build linux

package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// releaseScript deletes a lock if it is held with a value, as Redis's own documentation of SET has it.
const releaseScript = `if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`

// redisDialect takes locks as Redis's documentation recommends.
type redisDialect struct{}

// loadRelease makes the release known to the server.
func loadRelease() batch {
	return newBatch(exchange{request: resp("SCRIPT", "LOAD", releaseScript), reply: bulk(releaseHash())})
}

func releaseHash() string {
	sum := sha1.Sum([]byte(releaseScript)) // Redis names scripts by it
	return hex.EncodeToString(sum[:])
}

func (redisDialect) add(key string, holder int) exchange {
	return exchange{request: resp("SET", key, holderName(holder), "NX", "EX", strconv.Itoa(lease)), reply: "+OK\r\n"}
}

func (redisDialect) refusedAdd(key string, claimer int) exchange {
	return exchange{request: resp("SET", key, holderName(claimer), "NX", "EX", strconv.Itoa(lease)), reply: "$-1\r\n"}
}

func (redisDialect) release(key string, holder int) exchange {
	return exchange{request: resp("EVALSHA", releaseHash(), "1", key, holderName(holder)), reply: ":1\r\n"}
}

func (redisDialect) set(key, value string) exchange {
	return exchange{request: resp("SET", key, value), reply: "+OK\r\n"}
}

func (redisDialect) get(key, value string) exchange {
	return exchange{request: resp("GET", key), reply: bulk(value)}
}

func (redisDialect) remove(key string) exchange {
	return exchange{request: resp("DEL", key), reply: ":1\r\n"}
}

// resp writes a command.
func resp(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		b.WriteString(bulk(w))
	}
	return b.String()
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
