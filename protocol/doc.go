// Package protocol reads and writes the memcached text protocol, classic and
// meta. It only knows bytes: no locks, no sockets, no clock.
//
// A Reader takes the bytes that have arrived and returns one Request at a time. For input
// that is not a valid request it returns a *Fault, the line that memcached answers. A Writer
// appends replies to a buffer. Ordinary requests allocate nothing: keys and values are
// slices of the Reader's buffer, valid until the next call.
//
// protocol.md, beside this file, lists every command and every reply.
package protocol
