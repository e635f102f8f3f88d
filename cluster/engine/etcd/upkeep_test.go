package etcd

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestIsWorthwhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size, inUse int64
		want        bool
	}{
		"small":       {200 << 20, 1 << 20, false},
		"mostly-used": {2000 << 20, 1100 << 20, false},
		"half":        {600 << 20, 300 << 20, false},
		"mostly-free": {600 << 20, 299 << 20, true},
		"limit":       {257 << 20, 1 << 20, true},
		"below-limit": {256 << 20, 1 << 20, false},
	} {
		if got := isWorthwhile(test.size, test.inUse); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestIsTurn: at every time it is the turn of one member, and each has one in a while.
func TestIsTurn(t *testing.T) {
	t.Parallel()
	ids := []uint64{30, 10, 20}
	turns := make(map[uint64]int)
	for minute := range 300 {
		now := time.Unix(0, 0).Add(time.Duration(minute) * time.Minute)
		for _, id := range ids {
			if isTurn(now, id, slices.Clone(ids)) {
				turns[id]++
			}
		}
	}
	for _, id := range ids {
		if turns[id] != 100 {
			t.Errorf("turns: %v", turns)
		}
	}
}

// TestUpkeep: history is forgotten by itself.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, func(c *Config) { c.upkeep = 50 * time.Millisecond })
	c.start()
	first := must(t, c.engines[0], engine.Put("k", []byte("1"))).Revision
	must(t, c.engines[0], engine.Put("k", []byte("2")))
	testenv.Eventually(t, "a watch of old changes ends", func() bool {
		for range c.engines[1].Watch(patient(t), "k", first-1) {
			return false
		}
		return true
	})
	if got := value(t, c.engines[2], "k"); got != "2" {
		t.Errorf("read %q", got)
	}
}

// TestFull: when the space is used up nothing can be put, and it is said so; when there is
// less data, and room is made, it goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, func(c *Config) {
		c.Quota, c.upkeep = 8<<20, 24*time.Hour // no room is made
		c.Logger = zerolog.Nop()
	})
	c.start()
	piece := make([]byte, 100<<10)
	put := func(key string) error {
		_, err := c.engines[0].Txn(patient(t), engine.Txn{Then: []engine.Op{engine.Put(key, piece)}})
		return err
	}
	var err error
	for i := 0; err == nil; i++ {
		err = put(fmt.Sprintf("k/%04d", i))
	}
	if !errors.Is(err, engine.ErrNoSpace) || !errors.Is(err, engine.ErrUnknown) {
		t.Fatal(err)
	}
	testenv.Eventually(t, "an alarm", func() bool {
		status, err := c.engines[0].Status(patient(t))
		return err == nil && slices.Equal(status.Alarms, []string{"NOSPACE"})
	})
	if _, err := c.engines[0].Txn(patient(t), engine.Txn{Then: []engine.Op{engine.Put("k/0000", nil)}}); !errors.Is(err, engine.ErrNoSpace) {
		t.Errorf("a small put when the space is used up: %v", err)
	}
	if _, err := c.engines[0].Txn(patient(t), engine.Txn{Then: []engine.Op{engine.DeletePrefix("k/")}}); err != nil {
		t.Fatalf("a deletion when the space is used up: %v", err)
	}
	c.stop(0)
	c.configs[0].upkeep = 500 * time.Millisecond
	c.start()
	for i := range 300 { // many times the quota, but history only
		testenv.Eventually(t, fmt.Sprintf("put %d", i), func() bool { return put("k") == nil })
	}
}

// rounds is $LOCKCACHED_ROUNDS, or a number that keeps the test short.
func rounds(t *testing.T, few int) int {
	t.Helper()
	value := os.Getenv("LOCKCACHED_ROUNDS")
	if value == "" {
		return few
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("LOCKCACHED_ROUNDS: %v", err)
	}
	return n
}

// TestChurn: under a load such as a node's, which appends batches and deletes those before a
// checkpoint, the database stays small: many times of what it takes is written. LOCKCACHED_ROUNDS
// says how often.
func TestChurn(t *testing.T) {
	t.Parallel()
	const (
		quota = 64 << 20
		bound = quota / 2 // of the file; what is in use may double until a round has ended
		live  = 4 << 20   // about what is there at any time
		piece = 64 << 10
	)
	c := newCluster(t, 1, func(c *Config) { c.Quota, c.upkeep = quota, 600*time.Millisecond })
	c.start()
	value := make([]byte, piece)
	seq := 0
	for round := range rounds(t, 2) {
		for range 2 * quota / 10 / piece {
			key := func(n int) string { return fmt.Sprintf("journal/%020d", n) }
			then := []engine.Op{engine.Put(key(seq), value)}
			if seq%16 == 15 && seq > live/piece { // a checkpoint
				then = append(then, engine.DeleteRange(key(0), key(seq-live/piece)))
			}
			must(t, c.engines[0], then...)
			seq++
		}
		testenv.Eventually(t, "history is forgotten", func() bool {
			must(t, c.engines[0], engine.Put("life", nil)) // what is free is counted with the next change
			status, err := c.engines[0].Status(patient(t))
			return err == nil && status.InUse < 3*live
		})
		status, err := c.engines[0].Status(patient(t))
		if err != nil || status.Bytes > bound || len(status.Alarms) > 0 {
			t.Fatalf("round %d: after %d MB the database takes %d MB (%v, %v)", round, seq*piece>>20, status.Bytes>>20, status.Alarms, err)
		}
	}
}

// TestSnapshot: a snapshot is what etcd's tools restore: a database, and its checksum.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.start()
	must(t, c.engines[0], engine.Put("k", []byte("a value that can be found")))
	for name, e := range map[string]*Engine{"local": c.engines[0], "remote": dial(t, RemoteConfig{URLs: []string{c.url(0)}})} {
		var w bytes.Buffer
		n, err := e.Snapshot(patient(t), &w)
		if err != nil || n != int64(w.Len()) || n < sha256.Size {
			t.Fatalf("%s: %d bytes, %d of them written: %v", name, n, w.Len(), err)
		}
		data, sum := w.Bytes()[:n-sha256.Size], w.Bytes()[n-sha256.Size:]
		if want := sha256.Sum256(data); !bytes.Equal(sum, want[:]) {
			t.Errorf("%s: the checksum is %x, want %x", name, sum, want)
		}
		if !bytes.Contains(data, []byte("a value that can be found")) {
			t.Errorf("%s: the value is not there", name)
		}
	}
}

func TestNextLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit int64
		bytes int
		want  int64
	}{
		"small":    {leastPage, 100, 2 * leastPage},
		"enough":   {64, pageBytes / 2, 64},
		"full":     {64, pageBytes, 64},
		"large":    {64, pageBytes + 1, 32},
		"most":     {mostPage, 0, mostPage},
		"fewest":   {leastPage, 10 * pageBytes, leastPage},
		"up-to-it": {mostPage - 1, 0, mostPage},
	} {
		if got := nextLimit(test.limit, test.bytes); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
