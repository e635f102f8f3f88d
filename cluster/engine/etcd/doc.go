// Package etcd is the engine of a cluster: etcd, as a member in this process (Start) or as
// a cluster that somebody else runs (Dial). Both are used through the same client. It knows
// nothing of locks.
//
// # A member
//
// A member opens one port, on which it speaks to the other members and serves etcd's
// clients: servers of a large cluster that run no member, and etcd's own tools. Off
// loopback both need TLS, and a certificate of the cluster's authority; whoever has one may
// do anything.
//
// Etcd writes an entry to the disks of a majority before it answers. Nothing here weakens
// that, and none of etcd's leases are used. When its disk is full, or broken, the process
// ends. A member takes 64 MB for its log at once, and up to 320 MB, beside the database.
//
// Etcd's own metrics are in the default registry of Prometheus' client.
//
// # How a member begins
//
// A member whose directory has data goes on with it. One whose directory is empty asks the
// others first, see begin.go: it founds the cluster only together with a majority of
// members that are empty, too; it takes the place that AddMember has made for it; and it
// refuses to begin if it was a member before, because it would vote without remembering
// what it has promised.
//
// # Upkeep
//
// Every 30 seconds, and whenever a sixteenth of the quota has been written, the leader compacts
// what is older than the time before. A member whose file
// is more than half empty, and large, defragments it; the members take turns. If a member
// is out of space it compacts and defragments at once, and lifts the alarm when there is
// room again.
package etcd
