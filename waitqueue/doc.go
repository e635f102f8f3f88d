// Package waitqueue knows who wants one lock, and who is next: those whose claims
// are queued, those who poll, and the places of those who are away for a moment. It
// has no mutex, no goroutine and no clock; whoever owns a Line guards it.
//
// No operation takes time that grows with the line but by its logarithm.
package waitqueue
