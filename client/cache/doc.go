// Package cache keeps values that many want and that take time to compute: what is missing
// is computed by one caller of all processes, under a lock of package client, while the
// others wait for the value.
//
//	page, err := cache.GetOrCompute(ctx, c, "page:17", time.Minute, func(ctx context.Context) (string, error) {
//		return render(ctx, "17")
//	})
//
// GetOrCompute needs no preparation. A Cache has a Config: values that are served while they
// are renewed, failures that are remembered, what to do without the lock.
//
// A value that the server does not keep (it is too large, memory is full of locks, it is
// evicted at once) cannot be waited for. Whoever finds out leaves a notice in the place
// of the value, or for two seconds in that of the lock. Then each process computes for
// itself, all at the same time and without the lock, and for ten seconds nobody tries to
// store the value again. With Config.WaitOver set to GiveUp such notices are
// ignored: computing stays one caller's business at a time. A server that has no room
// for the lock is Config.ServerAway.
//
// It is no client for everything else that a cache is used for: values are deleted with
// gomemcache.
package cache
