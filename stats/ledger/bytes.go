package ledger

import (
	"unsafe"

	"github.com/lockcached/lockcached/stats"
)

// PastBytes is about how many bytes it takes to remember one more lock; at least twice as
// many once it was contended.
const PastBytes = int64(unsafe.Sizeof(Past{})) + 72

// Bytes is what the Ledger takes, in bytes, for locks that it remembers only because they
// are held. It may remember others, too, but no more of them than New was told.
func (l *Ledger) Bytes() int64 { return l.bytes }

// weigh updates Bytes for a Past, after its lock was granted or released, or the Past was
// remembered, forgotten or has grown.
func (l *Ledger) weigh(p *Past) {
	var size int64
	if p.held && !p.listed {
		size = p.size()
	}
	l.bytes += size - p.counted
	p.counted = size
}

// size is about what a Past takes, in bytes.
func (p *Past) size() int64 {
	size := int64(unsafe.Sizeof(*p)) + int64(len(p.key))
	if p.contention != nil {
		size += int64(unsafe.Sizeof(*p.contention)) + p.HoldLaw.Bytes() + p.WaitLaw.Bytes()
		if p.contention.hazard != nil {
			size += stats.HazardBytes
		}
	}
	return size
}
