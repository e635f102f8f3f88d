// Package link carries requests from the node that a client is connected to, the front, to the
// node that serves their keys, the owner, and the replies back.
//
// A node has one connection to each other node, for all its clients. What is on it are frames;
// see frame.go. A Peer is the near end of such a connection, which it makes anew when it is lost.
// Serve is the far end: it hands calls to a Host.
//
// Each end sends a beat every BeatInterval, which the other answers from the goroutine that
// reads, never behind a call: so a node that waits for a disk or an election is still heard. A
// Peer that hears nothing for Silence gives the connection up.
//
// Package link knows no keys, locks, slots or journals. A call that was lost is its caller's to
// repeat: only the caller knows whether that does harm.
package link
