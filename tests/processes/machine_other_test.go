//go:build !linux

package processes_test

import "testing"

func smallDisk(t *testing.T) string {
	t.Skip("a small disk is mounted in Linux's way")
	return ""
}

func limit(t *testing.T, pid, resource int, to uint64) (before uint64) {
	t.Skip("limits of other processes are set in Linux's way")
	return 0
}

func splice(from, to int) int64 { panic("splice is Linux's") }
