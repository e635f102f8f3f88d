//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
	"github.com/lockcached/lockcached/protocol"
)

// launchCluster starts three nodes.
func launchCluster(_ context.Context, dir string) (*system, error) {
	var nodes, flags []string
	for i := range members {
		port, err := ports.Free(2)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, fmt.Sprintf("n%d=127.0.0.1:%d", i, port))
	}
	flags = append(flags, "--cluster", strings.Join(nodes, ","))
	return launchNodes(members, func(i int) []string {
		name := fmt.Sprintf("n%d", i)
		return append(flags[:2:2], "--node", name, "--data", filepath.Join(dir, name))
	})
}

// launchSingle starts one server, which waits for its own disk.
func launchSingle(_ context.Context, dir string) (*system, error) {
	return launchNodes(1, func(int) []string { return []string{"--data", dir, "--fsync", "always"} })
}

func launchNodes(n int, flags func(i int) []string) (*system, error) {
	s := new(system)
	var addrs []string
	for i := range n {
		port, err := ports.Free(1)
		if err != nil {
			return s, err
		}
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		p, err := rig.Start(exec.Command("lockcached", append(flags(i), "-l", "127.0.0.1", "-p", strconv.Itoa(port))...))
		if err != nil {
			return s, err
		}
		s.processes = append(s.processes, p)
	}
	s.connect = func(i int) (locker, error) { return dial(addrs[i]) }
	return s, nil
}

// session is a client of lockcached. It waits in line, as etcd's mutex does.
type session struct {
	conn    net.Conn
	replies *bufio.Reader
	value   string
}

func dial(addr string) (locker, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &session{conn, bufio.NewReader(conn), conn.LocalAddr().String()}, nil
}

func (s *session) close() { _ = s.conn.Close() }

func (s *session) lock(ctx context.Context, key string) error {
	return s.ask(ctx, "STORED\r\n", "add %s%s 0 %d %d\r\n%s\r\n",
		protocol.WaitKey(leaseSeconds*time.Second, ""), key, leaseSeconds, len(s.value), s.value)
}

func (s *session) unlock(ctx context.Context, key string) error {
	return s.ask(ctx, "DELETED\r\n", "delete %s\r\n", key)
}

func (s *session) ask(ctx context.Context, want, format string, args ...any) error {
	deadline, _ := ctx.Deadline()
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.conn, format, args...); err != nil {
		return err
	}
	line, err := s.replies.ReadString('\n')
	if err == nil && line != want {
		err = fmt.Errorf("unexpected reply %q", line)
	}
	return err
}
