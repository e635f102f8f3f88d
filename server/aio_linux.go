package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An aio reads or writes many sockets with one system call, which costs much less than one
// call for each: io_submit of Linux's asynchronous I/O. Sockets that do not block let it do
// everything at once, so nothing is under way between two calls. (io_uring is no faster at
// this, and Docker forbids it.) It belongs to one worker.
type aio struct {
	ring    *aioRing // also identifies it to the kernel
	ops     [maxOps]aioOp
	list    [maxOps]*aioOp // of those to be carried out
	added   int            // how many those are
	results [maxOps]result // by the number of the operation
	refused bool           // by the kernel, for good

	slots [maxOps]slot // for what is read
}

// A slot has room for what most clients send at a time. It is a little larger than a power of
// two: otherwise all slots would compete for the same few lines of the processor's cache.
type slot [slotSize + 64]byte

const slotSize = 4 << 10

// maxOps bounds the operations of one call. While it lasts, its thread cannot be stopped for the
// garbage collector: 0.2 ms for that many writes.
const maxOps = 64

// result is what an operation of an aio has returned. If it is not done, a plain call has to
// do it.
type result struct {
	n    int
	err  error
	done bool
}

// aioRing is how the kernel returns results: struct aio_ring of fs/aio.c. Kernel and process
// share this memory.
type aioRing struct {
	id       uint32
	size     uint32 // in events
	head     uint32 // the next event; belongs to the process
	tail     uint32 // belongs to the kernel
	magic    uint32
	compat   uint32
	incompat uint32
	length   uint32 // of this header, in bytes; the events follow
}

// aioMagic is the magic of a ring whose events a process may take without a system call.
const aioMagic = 0xa10a10a1

// aioEvent is struct io_event of linux/aio_abi.h.
type aioEvent struct {
	number   uint64 // of the operation
	op       uint64
	n, extra int64 // bytes, or an error if negative
}

// aioOp is struct iocb of linux/aio_abi.h.
type aioOp struct {
	number uint64
	_      uint64 // a key, which the kernel sets to 0, and flags
	code   uint16
	_      int16 // a priority
	fd     uint32
	memory uint64 // an address that the garbage collector does not see
	length uint64
	_      [3]uint64 // an offset, which must be 0 for sockets, and what is for other operations
}

// Operations of an aioOp.
const (
	aioRead  = 0
	aioWrite = 1
)

var errAIORing = errors.New("unknown form of the ring of io_setup")

// newAIO fails where the kernel, or the rules for this process, do not allow it.
func newAIO() (*aio, error) {
	a := new(aio)
	// Twice as many, so that the call never has to wait for results.
	_, _, errno := syscall.RawSyscall(unix.SYS_IO_SETUP, 2*maxOps, uintptr(unsafe.Pointer(&a.ring)), 0)
	switch {
	case errno != 0:
		return nil, errno
	case a.ring.magic != aioMagic || a.ring.incompat != 0:
		a.close()
		return nil, errAIORing
	}
	return a, nil
}

// close waits for a few milliseconds.
func (a *aio) close() {
	_, _, _ = syscall.Syscall(unix.SYS_IO_DESTROY, uintptr(unsafe.Pointer(a.ring)), 0, 0)
	a.ring = nil
}

// begin forgets all operations, and the results of the first n.
func (a *aio) begin(n int) {
	a.added = 0
	clear(a.results[:n])
}

// add adds an operation of that number, which is less than maxOps. The caller keeps b reachable
// until run returns; b must not be on a stack, which may move.
func (a *aio) add(number int, code uint16, fd int, b []byte) {
	op := &a.ops[number]
	*op = aioOp{
		number: uint64(number),
		code:   code,
		fd:     uint32(fd),
		memory: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))),
		length: uint64(len(b)),
	}
	a.list[a.added] = op
	a.added++
}

// run carries out the operations. It returns an error if the kernel refuses to go on: then
// some are not done.
func (a *aio) run() error {
	for next := 0; next < a.added && !a.refused; {
		n, _, errno := syscall.RawSyscall(unix.SYS_IO_SUBMIT, uintptr(unsafe.Pointer(a.ring)),
			uintptr(a.added-next), uintptr(unsafe.Pointer(&a.list[next])))
		switch {
		case errno == syscall.EBADF:
			next++ // it stops at a descriptor that is not open; others may be
		case errno != 0:
			a.refused = true
			return errno
		default:
			a.collect(int(n))
			next += int(n)
		}
	}
	return nil
}

// collect takes n results from the ring.
func (a *aio) collect(n int) {
	r := a.ring
	events := unsafe.Slice((*aioEvent)(unsafe.Add(unsafe.Pointer(r), r.length)), r.size)
	for ; n > 0; n-- {
		for r.head == atomic.LoadUint32(&r.tail) {
			// No kernel is known that is not done with a socket that does not block. But
			// memory to which it may still write must not be used for anything else.
			_, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
		a.note(&events[r.head])
		atomic.StoreUint32(&r.head, (r.head+1)%r.size)
	}
}

func (a *aio) note(e *aioEvent) {
	r := result{done: true}
	if e.n < 0 {
		r.err = syscall.Errno(-e.n)
	} else {
		r.n = int(e.n)
	}
	a.results[e.number] = r
}

// aios lends an aio to each worker of a server. Safe for concurrent use.
type aios struct {
	mu     sync.Mutex // guards what follows
	idle   []*aio
	made   int
	why    error // why workers get none; nil if they do
	closed bool
}

// maxAIOs bounds how many a server makes: the kernel has a limit for all processes together.
// A server has more workers than that only if many of them wait for the disk.
const maxAIOs = 16

// take returns nil if none is to be had.
func (p *aios) take() *aio {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n := len(p.idle); {
	case p.why != nil || p.closed:
		return nil
	case n > 0:
		a := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return a
	case p.made == maxAIOs:
		return nil
	}
	a, err := newAIO()
	if err != nil {
		p.why = err
		return nil
	}
	p.made++
	return a
}

// give takes back what take returned.
func (p *aios) give(a *aio) {
	if a == nil {
		return
	}
	p.mu.Lock()
	wanted := !p.closed && !a.refused
	if wanted {
		p.idle = append(p.idle, a)
	}
	p.mu.Unlock()
	if !wanted {
		go a.close()
	}
}

// refuse records why workers get none from now on.
func (p *aios) refuse(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = why
}

// refusal is why workers get none, nil if they do.
func (p *aios) refusal() error {
	p.give(p.take()) // if none was made yet, this tries to
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// close closes those that are not lent, and the others when they are given back.
func (p *aios) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, a := range idle {
		go a.close()
	}
}
