package store

import "math/bits"

// ref is where an item of a slab is: the number of its page, and its slot there. 0 is
// nowhere. It takes half of a pointer's memory, and the garbage collector does not follow it.
type ref uint32

const (
	// slots is how many items a page has. Those of a lock server take 88 bytes, so that a
	// page and the allocator's header of 8 bytes fit into 4,096, one of the sizes that are
	// allocated without waste.
	slots    = 46
	slotBits = 6
	full     = 1<<slots - 1
	// maxEmpty bounds the empty pages that are kept.
	maxEmpty = 2
)

// slab is the memory of a Table's items: pages of many. The allocator rounds up the size of a page
// instead of that of each item, and the garbage collector has less to visit. Pages do not move, and
// one that has become empty goes back to the allocator.
type slab[X any] struct {
	pages  []*page[X] // by number; nil if there is none of that number, as of 0
	unused []uint32   // numbers from 1 up to len(pages) of which there is none
	room   *page[X]   // first of the pages with room, linked by next
	empty  int        // pages without items
}

type page[X any] struct {
	used       uint64   // a bit for each slot that has an item
	next, prev *page[X] // neighbours among the pages with room
	number     uint32
	items      [slots]Item[X]
}

// at returns the item that is there. r is not 0.
func (s *slab[X]) at(r ref) *Item[X] {
	return &s.pages[r>>slotBits].items[r&(1<<slotBits-1)]
}

// take returns a blank item.
func (s *slab[X]) take() (*Item[X], ref) {
	p := s.room
	if p == nil {
		p = s.add()
	}
	if p.used == 0 {
		s.empty--
	}
	slot := bits.TrailingZeros64(^p.used)
	p.used |= 1 << (slot & 63) // & spares a check of the shift
	if p.used == full {
		s.unlink(p)
	}
	return &p.items[slot], ref(p.number<<slotBits | uint32(slot))
}

// release takes back the item, which is there. If its page was full, that is the first to be
// used again: the pages behind it have time to become empty.
func (s *slab[X]) release(it *Item[X], r ref) {
	*it = Item[X]{}
	p := s.pages[r>>slotBits]
	if p.used == full {
		s.link(p)
	}
	p.used &^= 1 << (r & (1<<slotBits - 1))
	if p.used != 0 {
		return
	}
	s.empty++
	if s.empty > maxEmpty {
		s.drop(p)
	}
}

// add makes a page.
func (s *slab[X]) add() *page[X] {
	p := new(page[X])
	if n := len(s.unused); n > 0 {
		p.number = s.unused[n-1]
		s.unused = s.unused[:n-1]
		s.pages[p.number] = p
	} else {
		if len(s.pages) == 0 {
			s.pages = append(s.pages, nil) // 0 is nowhere
		}
		p.number = uint32(len(s.pages))
		s.pages = append(s.pages, p)
	}
	s.empty++
	s.link(p)
	return p
}

// drop gives back the memory of an empty page.
func (s *slab[X]) drop(p *page[X]) {
	s.empty--
	s.unlink(p)
	s.pages[p.number] = nil
	s.unused = append(s.unused, p.number)
}

func (s *slab[X]) link(p *page[X]) {
	p.next = s.room
	if p.next != nil {
		p.next.prev = p
	}
	s.room = p
}

func (s *slab[X]) unlink(p *page[X]) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		s.room = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
}

// visit calls f for the items of a page, of which there may be none.
func (p *page[X]) visit(f func(*Item[X]) bool) bool {
	if p == nil {
		return true
	}
	for left := p.used; left != 0; left &= left - 1 {
		if !f(&p.items[bits.TrailingZeros64(left)]) {
			return false
		}
	}
	return true
}
