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
// Do is what most programs want: it takes a lock, runs a function under it, renews the
// lock meanwhile, and releases it. Release and List are for operators: they end a hold by
// its token, and tell which locks are held.
//
// Package clienttest has a lockcached in memory for unit tests. Package cache, on top of
// this one, keeps values that take time to compute. Packages clientmetrics and clienttrace
// tell Prometheus and OpenTelemetry what a Client does; see Config.Observers.
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
// that one who comes too late gets ErrLost, and its successor keeps the lock. An Unlock
// whose answer was lost, and that finds the lock gone, has succeeded; an earlier Renew
// whose answer was lost changes nothing about that.
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
// Wait bounds the waiting, not the way to the server and back. The lock is asked for at
// least once, and for the last time when the wait is over; Wait(0) asks once. ErrHeld
// means that the server said so. Without an answer, for as long as the wait and one
// Timeout more, the error is ErrUnavailable.
//
// A key has up to 250 bytes, as in memcached. The reserved prefixes of lockcached fit in
// front of some 227; beyond that a Client asks in other words. One that is made from a
// Memcache cannot, and polls for such a lock instead of waiting in line.
//
// # Servers
//
// An address is host:port or the path of a Unix socket; ParseServer has the details. New
// looks nothing up. A name is looked up for each connection: all its addresses are tried,
// a server that moves is found again, and TLS verifies the certificate against the name.
// All addresses of a name must lead to the same server, for each lock lives on one.
//
// Of several servers the key picks one, by gomemcache's hash, which goes by their number
// and order. While one is away, or its name is not known, the locks of the others stay
// where they are, and its own are ErrUnavailable.
//
// # Clusters
//
// Config.Cluster names nodes of a lockcached cluster, instead of Servers. They serve every key
// together, so that the loss of a node is not the loss of its locks. A request about a lock goes
// straight to the node that owns the key, and to another one, which passes it on, if the owner
// is not known, gives no answer, or answers SERVER_ERROR. The tries are as many as at a single
// server, at the same pauses, and are logged; a node that falls silent in the middle of a request
// or a wait is found out in about two seconds. The nodes tell which others there are.
//
// A claim without an answer may have been granted, and the node may be taking the grant back
// because the answer did not arrive. So a claim that a look finds granted counts as held only
// once it has been renewed. A release without an answer is repeated by the CAS id: it never ends
// the hold of a successor.
//
// A fail-over takes time: nodes have a patience with each other, two seconds, suspect each
// other, and hold an election. KeepAlive begins a renewal so early that all of it fits before
// the last third of the lease. With a TTL of less than LeastClusterTTL there is not enough time;
// that is logged as a warning. Without KeepAlive the TTL has to allow for it.
//
// # Faults
//
// That others have a lock is no fault: it is ErrHeld, when the time to wait is over.
// When a server is away, requests are made again, up to five times, at growing random
// pauses that all goroutines share: a server may be away for a second without
// anybody's noticing, and is not asked more than ten times in that second. Then it is
// a FaultError, at once for all who come after, until a probe finds the server back.
// Every retry is logged, and observers are told of it.
//
// A path may also die without a word. A claim that waits in line learns of it in about
// five seconds with the default Timeout and Tries: while claims wait, their server is asked
// once a second whether it is there, and connections are probed by TCP.
//
// A claim whose answer is lost is not sent again blindly. Its value is like no other's,
// so a look tells whether it was granted.
//
// A claim that had no answer may also arrive late: a proxy, or a network, can hold it
// back for seconds, although its context has ended, or although it was sent again and
// that lock was unlocked long ago. It would be granted, and held by nobody. So the key
// is looked at in the background for two minutes, some fifty times and ever more rarely,
// and what is found is released: nobody holds the lock for longer than about a fourth of
// the time that the claim was late. A server that is away is looked at when it is back.
// Close looks once more, and logs what it cannot wait for; then only the TTL ends such a
// lock.
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
// lock lives on one server, chosen by its key; what outlives a server is a cluster.
package client
