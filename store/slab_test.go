package store

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/lockcached/lockcached/internal/ttl"
)

// A map of what is where does the same as a slab. The number of items goes up and down by far,
// so that pages come and go.
func TestSlabAgainstMap(t *testing.T) {
	var s slab[int]
	random := rand.New(rand.NewPCG(1, 0))
	there := make(map[ref]*Item[int])
	var refs []ref // the keys of there
	dropped, again, peak := false, false, 0
	for step := range 50_000 {
		rising := step/5000%2 == 0
		if len(refs) == 0 || random.IntN(10) < 3 == !rising {
			it, r := s.take()
			if there[r] != nil || r == 0 || s.at(r) != it || it.Attached != 0 {
				t.Fatalf("step %d: item %d was there: %+v", step, r, *it)
			}
			it.Attached = int(r)
			there[r], refs = it, append(refs, r)
			again = again || dropped && len(s.unused) == 0 && len(s.pages) > 1
		} else {
			i := random.IntN(len(refs))
			r := refs[i]
			if it := s.at(r); it != there[r] || it.Attached != int(r) {
				t.Fatalf("step %d: item %d has moved or is %+v", step, r, *it)
			}
			s.release(there[r], r)
			delete(there, r)
			refs = slices.Delete(refs, i, i+1)
			dropped = dropped || len(s.unused) > 0
		}
		peak = max(peak, len(s.pages)-1)
		if step%100 == 0 {
			checkSlab(t, &s, there)
		}
	}
	if !dropped || !again || peak < 20 {
		t.Errorf("pages were dropped: %v, numbers used again: %v, %d pages at most", dropped, again, peak)
	}
	for _, r := range refs {
		s.release(there[r], r)
	}
	checkSlab(t, &s, nil)
}

// checkSlab checks that a slab has these items and no others, that the pages with room are
// exactly those that it lists, and that it keeps few empty ones.
func checkSlab(t *testing.T, s *slab[int], there map[ref]*Item[int]) {
	t.Helper()
	room, listed, empty, items := 0, 0, 0, 0
	for number, p := range s.pages {
		if p == nil {
			if number > 0 && !slices.Contains(s.unused, uint32(number)) {
				t.Fatalf("the number %d is lost", number)
			}
			continue
		}
		items += bits.OnesCount64(p.used)
		if p.used&^full != 0 || int(p.number) != number {
			t.Fatalf("page %d, in place of %d, has the items %b", p.number, number, p.used)
		}
		if p.used != full {
			room++
		}
		if p.used == 0 {
			empty++
		}
		p.visit(func(it *Item[int]) bool {
			if r := ref(it.Attached); there[r] != it {
				t.Fatalf("page %d shows item %d, which is not there", number, r)
			}
			return true
		})
	}
	for p := s.room; p != nil; p = p.next {
		listed++
		if p.used == full || s.pages[p.number] != p || p.next != nil && p.next.prev != p {
			t.Fatalf("page %d, with %b, is listed as one with room", p.number, p.used)
		}
	}
	if items != len(there) || listed != room || empty != s.empty || empty > maxEmpty {
		t.Fatalf("%d items, want %d; %d of %d pages with room are listed; %d are empty, counted as %d",
			items, len(there), listed, room, empty, s.empty)
	}
}

// The items of a lock server, with three words attached, fill pages that the allocator does not
// round up.
func TestPagesAreNotRoundedUp(t *testing.T) {
	type attached [3]*int
	const header = 8 // the allocator's
	if n := unsafe.Sizeof(page[attached]{}) + header; is64Bit && (n > 4096 || n+unsafe.Sizeof(Item[attached]{}) <= 4096) {
		t.Errorf("a page takes %d bytes", n)
	}
}

const is64Bit = unsafe.Sizeof(uintptr(0)) == 8

// After a burst of items almost all memory is given back.
func TestBurstIsGivenBack(t *testing.T) {
	const burst = 50_000
	tab := New[[3]*int]()
	before := heapInUse()
	var key [12]byte
	var all []*Item[[3]*int]
	for i := range burst {
		binary.BigEndian.PutUint64(key[:], uint64(i))
		hash := uint64(i) * 0x9E3779B97F4A7C15
		all = append(all, tab.Insert(hash, key[:], []byte("holder"), time.Duration(i), 0, true))
	}
	peak := heapInUse() - before
	rand.New(rand.NewPCG(1, 0)).Shuffle(burst, func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, it := range all {
		tab.Remove(it)
	}
	all = nil
	// The buckets stay, and what lets a few locks come and go without an allocation.
	left := heapInUse() - before
	if kept := int64(len(tab.buckets)*BucketBytes + 2*chunk*16 + 100_000); left > kept || peak < burst*100 {
		t.Errorf("of %d bytes %d are left, want at most %d", peak, left, kept)
	}
	if it := tab.Insert(1, key[:], nil, ttl.Forever, 0, true); tab.Find(1, key[:]) != it || tab.Len() != 1 {
		t.Error("the table does not work any more")
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
