// Package cluster makes a server a node of a cluster, so that its locks outlive its machine.
//
// Every key is served by one node at a time, from memory, as by a single server. What becomes of
// its locks is written to an engine that all nodes share, and no answer about a lock leaves a
// node before a majority of the machines has it. If a node is lost, the others read there what
// its locks were, and serve them. A client may be connected to any node, which passes on what
// others serve.
//
// The parts are packages of their own: engine is the store, journal what a node writes to it,
// slots who serves what, link what goes from node to node. This package joins them to package
// server and package locks, which know none of them.
package cluster
