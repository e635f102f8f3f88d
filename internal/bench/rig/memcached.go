//go:build linux

package rig

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/internal/ports"
)

// serverThreads is the number of threads that each server may use.
const serverThreads = "2"

// Memcached is a running server that speaks memcached's protocol: memcached
// itself, or lockcached.
type Memcached struct {
	*Process
	Addr    string // host:port
	Version string // as the server reports it
}

// StartMemcached starts the server at path, which must understand memcached's
// flags, with room for conns connections, and waits until it answers.
func StartMemcached(ctx context.Context, path string, conns int) (*Memcached, error) {
	port, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	args := []string{
		"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0",
		"-t", serverThreads, "-m", "1024", "-c", strconv.Itoa(conns),
	}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root") // memcached will not run as root unless told
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+serverThreads)

	process, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	m := &Memcached{Process: process, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	err = process.WaitReady(ctx, func() error {
		m.Version, err = version(m.Addr)
		return err
	})
	if err != nil {
		process.Stop()
		return nil, err
	}
	return m, nil
}

func version(addr string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("version\r\n")); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION ")
	if !ok {
		return "", fmt.Errorf("version was answered %q", line)
	}
	return text, nil
}
