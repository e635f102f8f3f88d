package locks

import (
	"unsafe"

	"github.com/lockcached/lockcached/stats/fills"
	"github.com/lockcached/lockcached/store"
)

// fillings are those of a shard; nil if there never was a policy for fills.
type fillings struct {
	byKey map[string]*filling
	due   store.Heap[*filling]
	book  *fills.Book
	bytes int64
	held  int // gets that are held, with as many keys as each waits for

	// Fillings in which nobody is given time, the oldest first: at most mostIdle.
	idle, newest *filling
	idles        int
	mostIdle     int
}

// fillingBytes is about what a filling takes, in bytes, besides its key.
const fillingBytes = int64(unsafe.Sizeof(filling{})) + int64(unsafe.Sizeof(computing{})) + mapEntryBytes + heapEntryBytes

func newFillings(shared *fills.Shared, keys int) *fillings {
	return &fillings{byKey: make(map[string]*filling), book: fills.NewBook(shared, keys), mostIdle: max(keys, 64)}
}

func (fs *fillings) size() int64 {
	if fs == nil {
		return 0
	}
	return fs.bytes
}

// of returns the filling of a key, nil if nobody is known to compute it.
func (fs *fillings) of(key []byte) *filling {
	if fs == nil {
		return nil
	}
	return fs.byKey[stringOf(key)]
}

// link puts a filling in which nobody is given time at the end of those.
func (fs *fillings) link(f *filling) {
	if f.isIdle(fs) {
		return
	}
	f.older, f.next = fs.newest, nil
	if fs.newest != nil {
		fs.newest.next = f
	} else {
		fs.idle = f
	}
	fs.newest = f
	fs.idles++
}

func (f *filling) isIdle(fs *fillings) bool { return f.older != nil || fs.idle == f }

func (fs *fillings) unlink(f *filling) {
	if !f.isIdle(fs) {
		return
	}
	if f.older != nil {
		f.older.next = f.next
	} else {
		fs.idle = f.next
	}
	if f.next != nil {
		f.next.older = f.older
	} else {
		fs.newest = f.older
	}
	f.older, f.next = nil, nil
	fs.idles--
}
