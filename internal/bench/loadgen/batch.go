//go:build linux

package main

import "bytes"

// A batch is requests that go out in one write, and the replies to await
// before the next batch goes out.
type batch struct {
	requests []byte
	replies  []byte
	cas      []int // where in replies there is a CAS value: zeros here, anything from a server
	ops      int
	counts   bool // each reply is a counter, higher by ops the next time
}

// An exchange is one request and the reply that is due to it.
type exchange struct {
	request, reply string
	binary         bool
}

func newBatch(exchanges ...exchange) batch {
	b := batch{ops: len(exchanges)}
	for i, e := range exchanges {
		if e.binary {
			e = e.numbered(i)
			b.cas = append(b.cas, len(b.replies)+casAt)
		}
		b.requests = append(b.requests, e.request...)
		b.replies = append(b.replies, e.reply...)
	}
	return b
}

// accepts reports whether got is how the replies go on after their first
// received bytes. It sets the CAS values in got to zero.
func (b *batch) accepts(got []byte, received int) bool {
	for _, at := range b.cas {
		from, to := max(at-received, 0), min(at+casSize-received, len(got))
		if from < to {
			clear(got[from:to])
		}
	}
	return bytes.HasPrefix(b.replies[received:], got)
}

// answered prepares b to be sent again.
func (b *batch) answered() {
	if b.counts {
		advance(b.replies, b.ops)
	}
}
