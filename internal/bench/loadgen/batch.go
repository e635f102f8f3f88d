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
	counts   bool  // each reply is a counter, higher by ops the next time
	serials  []int // where in requests the serial numbers of keys end that are used once
	step     int   // by which those are higher the next time
}

// An exchange is one request and the reply that is due to it.
type exchange struct {
	request, reply string
	binary         bool
	serialEnd      int // where in request the serial number of a key ends that is used once; 0 if it has none
}

func newBatch(exchanges ...exchange) batch {
	b := batch{ops: len(exchanges)}
	for i, e := range exchanges {
		if e.binary {
			e = e.numbered(i)
			b.cas = append(b.cas, len(b.replies)+casAt)
		}
		if e.serialEnd > 0 {
			b.serials = append(b.serials, len(b.requests)+e.serialEnd)
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
	for _, end := range b.serials {
		raise(b.requests[end-serialDigits:end], b.step)
	}
}

// serialDigits is the width of a serial number: enough for what one connection does in a round.
const serialDigits = 8

// raise adds n to a decimal number, in place: formatting it anew would cost more than sending it.
func raise(digits []byte, n int) {
	for i := len(digits) - 1; n > 0; i-- {
		n += int(digits[i] - '0')
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}
