package etcd

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/lockcached/lockcached/cluster/engine"
)

// ErrRemoved says that this member was removed from the cluster.
var ErrRemoved = errors.New("this member was removed from the cluster; its directory is of no use any more")

// refusals are the errors of etcd after which a transaction has not been carried out and
// never will be: etcd returns them before it proposes the transaction, or instead of
// applying it. All others leave it open, rpctypes.ErrNoSpace among them: the transaction
// that fills the store is applied and answered so.
var refusals = []error{
	rpctypes.ErrEmptyKey,
	rpctypes.ErrTooManyOps,
	rpctypes.ErrDuplicateKey,
	rpctypes.ErrRequestTooLarge,
	rpctypes.ErrTooManyRequests,
	rpctypes.ErrCompacted,
	rpctypes.ErrFutureRev,
	rpctypes.ErrCorrupt,
	rpctypes.ErrAuthFailed,
	rpctypes.ErrUserEmpty,
	rpctypes.ErrPermissionDenied,
	rpctypes.ErrInvalidAuthToken,
	rpctypes.ErrAuthOldRevision,
	rpctypes.ErrMemberExist,
	rpctypes.ErrPeerURLExist,
	rpctypes.ErrMemberNotEnoughStarted,
	rpctypes.ErrMemberBadURLs,
	rpctypes.ErrMemberNotFound,
	rpctypes.ErrMemberNotLearner,
	rpctypes.ErrMemberLearnerNotReady,
	rpctypes.ErrTooManyLearners,
}

// failed turns an error of etcd into one of package engine.
func (e *Engine) failed(err error) error {
	if isRefusal(err) {
		if errors.Is(err, rpctypes.ErrCompacted) {
			err = engine.ErrCompacted
		}
		return engine.Refused("%w", err)
	}
	if errors.Is(err, rpctypes.ErrNoSpace) {
		return engine.Unknown(engine.ErrNoSpace)
	}
	e.leader.silent()
	if e.isClosing() {
		return engine.Unknown(fmt.Errorf("%w: %w", engine.ErrClosed, err))
	}
	return engine.Unknown(err)
}

func isRefusal(err error) bool {
	return slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(err, r) })
}
