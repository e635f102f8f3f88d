package cluster

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lockcached/lockcached/cluster/journal"
	"github.com/lockcached/lockcached/cluster/link"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// A front learns whether a request was carried out. Only what nobody knows is unconfirmed.
func TestLinkError(t *testing.T) {
	for _, tt := range []struct{ err, want error }{
		{nil, nil},
		{locks.ErrMoved, link.ErrMoved},
		{server.ErrNotPassed, link.ErrRefused},
		{journal.ErrNoQuorum, link.ErrUnconfirmed},
		{journal.ErrFenced, link.ErrUnconfirmed},
		{fmt.Errorf("no quorum: %w", errors.New("whatever")), link.ErrUnconfirmed},
	} {
		if got := linkError(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}
