// Package client gives Go programs locks: on lockcached, where a claim waits in line
// and is handed the lock, and with the same calls on a plain memcached, where the
// clients reckon among themselves when to ask again. It speaks through gomemcache.
//
//	c, err := client.New(client.Config{Servers: []string{"127.0.0.1:11211"}})
//	...
//	lock, err := c.Lock(ctx, "lock:report", client.TTL(time.Minute), client.Wait(5*time.Second))
//	if errors.Is(err, client.ErrHeld) {
//		return // somebody else is at it
//	}
//	...
//	defer lock.Unlock()
//	makeReport(lock.Context(), lock.Token())
//
// A lock ends by Unlock, or by itself when its TTL is over: then the holder is taken
// to be dead. TTL (how long we may have it), Wait (how long we wait for it) and the
// context (how long the caller cares) are three different things.
//
// # While it is held
//
// Context ends shortly before the lease does, and at once if the lock is found to be
// lost; pass it to all that is done under the lock. KeepAlive renews the lease as long
// as the work lasts. Neither can help a process that sleeps through its own lease and
// then writes all the same. Against that there is Token, a number that is larger with
// every grant: let whatever is written to refuse a smaller one than it has seen.
//
// Unlock and Renew touch our own hold only. They compare the value and the CAS id, so
// that one who comes too late gets ErrLost, and its successor keeps the lock.
//
// # Waiting
//
// The Strategy says how a claim goes on that was refused. Auto waits in line on
// lockcached, on a connection of its own: the server hands the lock over in the moment
// it is free, first come, first served, and a claim whose context ends leaves the line
// at once. On plain memcached it is Local. Within one Client one goroutine at a time
// asks for a key; the others wait for their turn, so that a process is one waiter
// however many goroutines it has.
//
// # Faults
//
// That others have a lock is no fault: it is ErrHeld, when the time to wait is over.
// When a server is away, requests are made again, up to five times, at growing random
// pauses that all goroutines share: a server may be away for a second without
// anybody's noticing, and is not asked more than ten times in that second. Then it is
// a FaultError, at once for all who come after, until a probe finds the server back.
// Every retry is logged and is an event of the span lock.acquire.
//
// A claim whose answer is lost is not sent again blindly. Its value is like no other's,
// so a look tells whether it was granted. A claim that is given up while an answer is
// outstanding is released in the background, if need be when the server is back.
//
// # Cached values
//
// GetOrCompute and Cached keep a value that many want and that takes time to compute:
// what is missing is computed by one caller of all processes, under a lock, while the
// others wait for the value.
//
// # What users of other lock packages complain about
//
//   - Nothing tells that a lock is no longer held (etcd-io/etcd#6127, #10811), and who
//     wants it renewed writes a watchdog (bsm/redislock#30, #73, #89): there are Context,
//     KeepAlive and Token, and every loss is logged.
//   - A watchdog goes on after its owner has gone (etcd-io/etcd#17470): what keeps a lock
//     alive here ends with Unlock, with the context of Lock, and with Close.
//   - An Unlock that is repeated because its answer was lost deletes somebody's newer lock
//     (etcd-io/etcd#22082): here every release compares value and CAS id.
//   - Unlock takes a context, which is the cancelled one when it matters, so that the lock
//     stays until its lease ends (etcd, redislock): here it takes none.
//   - Without a retry strategy nobody waits, and with one everybody polls in his own way
//     (redislock): here it is chosen by what the server can do.
//   - A wait that is called off in the moment of the grant may lose or keep it (x/sync's
//     Semaphore had to decide): here it is given back.
//
// What a lock cannot be: reentrant, shared by readers, or held on several servers. Each
// lock lives on one server, chosen by its key.
package client
