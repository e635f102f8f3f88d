//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// What a cluster promises beside its speed.
const (
	manyLocks    = 100_000
	mostTakeOver = 2.0  // seconds from the kill of their owner until another node serves them
	mostIdle     = 0.02 // of a core, for each node
)

// pipelined is how many requests are sent before their replies are read.
const pipelined = 1000

// A footprint is what a cluster of three costs at rest, and how long its locks are away when
// their owner is killed.
type footprint struct {
	Locks    int        `json:"locks"` // all of one owner
	TakeOver rig.Number `json:"take_over_seconds"`
	Idle     rig.Number `json:"idle_cores_per_node"`
	RSS      rig.Number `json:"rss_bytes_of_owner"`
	Disk     rig.Number `json:"disk_bytes_of_owner"`
}

// measureFootprint starts a cluster of its own.
func measureFootprint(ctx context.Context, dir string) (f footprint, err error) {
	s, err := launchCluster(ctx, dir)
	if s != nil {
		defer s.stop()
	}
	if err == nil {
		err = s.awaitLocks(ctx)
	}
	if err != nil {
		return f, err
	}
	progress := rig.NewProgress(3)
	defer progress.Clear()

	progress.Step("an idle cluster")
	idle, err := s.idle(ctx, 5*time.Second)
	if err != nil {
		return f, err
	}
	progress.Step(fmt.Sprintf("%d locks are taken", manyLocks))
	keys, err := takeLocks(ctx, s)
	if err != nil {
		return f, err
	}
	rss, err := s.processes[0].RSS()
	if err != nil {
		return f, err
	}
	disk, err := sizeOf(filepath.Join(dir, "n0"))
	if err != nil {
		return f, err
	}
	progress.Step("their owner is killed")
	began := time.Now()
	s.processes[0].Kill()
	if err := awaitHolds(ctx, s, keys); err != nil {
		return f, err
	}
	return footprint{len(keys), rig.Number(time.Since(began).Seconds()), rig.Number(idle), rig.Number(rss), rig.Number(disk)}, nil
}

// idle is how much of a core each node uses when nobody wants anything, for d.
func (s *system) idle(ctx context.Context, d time.Duration) (float64, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := rig.Sleep(ctx, d); err != nil {
		return 0, err
	}
	after, err := s.cpu()
	return (after - before).Seconds() / time.Since(began).Seconds() / float64(len(s.processes)), err
}

// takeLocks takes many locks, all of which the first node owns, and returns their keys.
func takeLocks(ctx context.Context, s *system) (keys []string, err error) {
	l, err := s.connect(0)
	if err != nil {
		return nil, err
	}
	defer l.close()
	p := pipe{l.(*session)}
	for n := 0; len(keys) < manyLocks; n += pipelined {
		var some []string
		for i := range pipelined {
			some = append(some, fmt.Sprintf("bench:held:%d", n+i))
		}
		err := p.ask(ctx, some, "get lockcached:owner:%s\r\n", func(key, reply string) error {
			if strings.HasPrefix(reply, "n0 ") {
				keys = append(keys, key)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	keys = keys[:manyLocks]
	for i := 0; i < len(keys); i += pipelined {
		err := p.ask(ctx, keys[i:min(i+pipelined, len(keys))], "add %s 0 3600 6\r\nholder\r\n", func(key, reply string) error {
			if reply != "STORED" {
				return fmt.Errorf("%s: unexpected reply %q", key, reply)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// awaitHolds waits until the second node answers for a sample of the locks, which must all
// be held.
func awaitHolds(ctx context.Context, s *system, keys []string) error {
	l, err := s.connect(1)
	if err != nil {
		return err
	}
	defer l.close()
	p := pipe{l.(*session)}
	for ctx.Err() == nil {
		away := false
		err := p.ask(ctx, keys[:pipelined], "get %s\r\n", func(key, reply string) error {
			switch {
			case reply == "holder":
			case strings.HasPrefix(reply, "SERVER_ERROR"):
				away = true
			default:
				return fmt.Errorf("%s: unexpected reply %q", key, reply)
			}
			return nil
		})
		if err != nil || !away {
			return err
		}
	}
	return context.Cause(ctx)
}

// pipe asks many questions at once.
type pipe struct{ *session }

// ask sends a request for each key, and tells each the line of the reply that matters: the
// value of a get, "" if there is none, or the only one.
func (p pipe) ask(ctx context.Context, keys []string, format string, tell func(key, reply string) error) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := p.conn.SetDeadline(deadline); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(p.conn, keys, format) }()
	for _, key := range keys {
		reply, err := readReply(p.replies)
		if err == nil {
			err = tell(key, reply)
		}
		if err != nil {
			return err
		}
	}
	return <-sent
}

func send(conn net.Conn, keys []string, format string) error {
	w := bufio.NewWriter(conn)
	for _, key := range keys {
		fmt.Fprintf(w, format, key)
	}
	return w.Flush()
}

func readReply(r *bufio.Reader) (value string, err error) {
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimSuffix(line, "\r\n")
		switch {
		case err != nil || line == "END":
			return value, err
		case strings.HasPrefix(line, "VALUE "):
		case line == "STORED", line == "NOT_STORED", strings.HasPrefix(line, "SERVER_ERROR"):
			return line, nil
		default:
			value = line
		}
	}
}

// sizeOf returns the bytes of all files below dir.
func sizeOf(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

func reportFootprint(w io.Writer, o options, f footprint) error {
	targets := []rig.Target{
		rig.AtMost("seconds until the locks are served elsewhere", float64(f.TakeOver), mostTakeOver),
		rig.AtMost("cores that an idle node uses", float64(f.Idle), mostIdle),
	}
	if o.asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"footprint": f, "targets": targets})
	}
	fmt.Fprintf(w, "%d locks of one owner: %s MB resident, %s MB on its disk; served elsewhere %s s after it was killed; idle, %s of a core for each node\n\n",
		f.Locks, (f.RSS / (1 << 20)).Text(0), (f.Disk / (1 << 20)).Text(0), f.TakeOver.Text(2), f.Idle.Text(3))
	rig.PrintTargets(w, targets)
	return nil
}
