package etcd

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
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
