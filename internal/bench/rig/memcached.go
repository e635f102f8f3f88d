//go:build linux

package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

// Server is a running server that answers requests.
type Server struct {
	*Process
	Addr    string // host:port
	Version string // as the server reports it
}

// StartMemcached starts the server at path, which must understand memcached's
// flags, with room for conns connections, and waits until it answers.
func StartMemcached(ctx context.Context, path string, conns int) (*Server, error) {
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

	return startServer(ctx, cmd, port, version)
}

// startServer starts a server that will listen at a port of the loopback interface, and waits
// until it tells its version.
func startServer(ctx context.Context, cmd *exec.Cmd, port int, version func(addr string) (string, error)) (*Server, error) {
	process, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &Server{Process: process, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	err = process.WaitReady(ctx, func() error {
		s.Version, err = version(s.Addr)
		return err
	})
	if err != nil {
		process.Stop()
		return nil, err
	}
	return s, nil
}

func version(addr string) (string, error) {
	line, err := ask(addr, "version\r\n", "\r\n")
	if err != nil {
		return "", err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION ")
	if !ok {
		return "", fmt.Errorf("version was answered %q", line)
	}
	return text, nil
}

// ask sends a request on a connection of its own, and returns the answer up to an end that it has.
func ask(addr, request, end string) (answer string, err error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	var read strings.Builder
	for r := bufio.NewReader(conn); !strings.HasSuffix(read.String(), end); {
		b, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		read.WriteByte(b)
	}
	return read.String(), nil
}
