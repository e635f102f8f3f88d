// Package protocol reads and writes the memcached text protocol, classic and
// meta. It knows bytes: no locks, no sockets, no clock.
//
// A Reader is fed with whatever arrived and yields one Request at a time; what
// cannot be a request is a *Fault, the line that memcached answers. A Writer
// appends replies to a buffer. Nothing here allocates per request: keys and
// values are slices of the Reader's buffer, good until the next call.
//
// protocol.md, beside this file, has every command and every reply on one page.
package protocol
