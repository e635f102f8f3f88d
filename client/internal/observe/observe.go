// Package observe tells several observers what one of them could be told. What is told,
// and to whom, is up to its callers.
package observe

import (
	"context"
	"slices"
)

// Begin lets each observer follow what begins, each with the context that the one before
// it has returned. It returns the last context, and what tells all of them the end, the
// last one first.
func Begin[Observer, End any](ctx context.Context, all []Observer,
	begin func(context.Context, Observer) (context.Context, func(End))) (context.Context, func(End)) {
	ends := make([]func(End), len(all))
	for i, o := range all {
		ctx, ends[i] = begin(ctx, o)
	}
	return ctx, func(end End) {
		for _, tell := range slices.Backward(ends) {
			tell(end)
		}
	}
}
