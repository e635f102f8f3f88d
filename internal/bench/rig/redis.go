//go:build linux

package rig

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/internal/ports"
)

// StartRedis starts the Redis at path, which keeps everything in memory alone, and waits until it
// answers.
func StartRedis(ctx context.Context, path string) (*Server, error) {
	port, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
		"--save", "", "--appendonly", "no", "--maxclients", "6000")
	return startServer(ctx, cmd, port, redisVersion)
}

func redisVersion(addr string) (string, error) {
	const before, after = "redis_version:", "\r\nredis_git_sha1:"
	answer, err := ask(addr, "INFO server\r\n", after)
	if err != nil {
		return "", err
	}
	_, version, found := strings.Cut(strings.TrimSuffix(answer, after), before)
	if !found {
		return "", errors.New("INFO tells no version")
	}
	return version, nil
}
