// Package waitqueue keeps the waiters for one lock in order: queued claims, pollers, and
// the places of pollers that are away for a moment. It has no mutex, no goroutine and no
// clock; the owner of a Line guards it.
//
// But for Queue.All and Line.Pollers, no operation takes time that grows faster than the logarithm of the
// line's length.
package waitqueue
