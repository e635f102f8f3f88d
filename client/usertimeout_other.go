//go:build !linux

package client

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: keep-alives are all there is.
func setUserTimeout(syscall.RawConn, time.Duration) error { return nil }
