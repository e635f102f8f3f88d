// Package ctxtime pauses for as long as a context allows.
package ctxtime

import (
	"context"
	"time"
)

// Sleep pauses, and reports false if ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
