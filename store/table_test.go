package store

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
)

type (
	table = Table[int]
	item  = Item[int]
)

var seed = maphash.MakeSeed()

func hashOf(key string) uint64 { return maphash.String(seed, key) }

func insert(t *table, key string, expires time.Duration, pinned bool) *item {
	return t.Insert(hashOf(key), []byte(key), []byte("value of "+key), expires, 0, pinned)
}

func find(t *table, key string) *item { return t.Find(hashOf(key), []byte(key)) }

// byAge are the keys that may be evicted, the one used longest ago first.
func byAge(t *table) (keys []string) {
	for r := t.oldest; r != 0; r = t.items.at(r).newer {
		keys = append(keys, string(t.items.at(r).Key()))
	}
	return keys
}

func TestInsertAndRemove(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "a", ttl.Forever, false)
	if find(tab, "a") != it || string(it.Key()) != "a" || string(it.Value()) != "value of a" {
		t.Errorf("found %q, %q", it.Key(), it.Value())
	}
	if find(tab, "b") != nil {
		t.Error("found what was not inserted")
	}
	tab.Remove(it)
	if find(tab, "a") != nil || tab.Len() != 0 || tab.Oldest() != nil || tab.Bytes() != 0 {
		t.Errorf("after Remove: %d items of %d bytes", tab.Len(), tab.Bytes())
	}
}

// Two keys may have hashes that agree in all that the Table keeps of them.
func TestEqualHashes(t *testing.T) {
	tab := New[int]()
	a := tab.Insert(7<<32, []byte("a"), nil, ttl.Forever, 0, false)
	b := tab.Insert(7<<32|1, []byte("b"), nil, ttl.Forever, 0, false)
	if tab.Find(7<<32, []byte("a")) != a || tab.Find(7<<32, []byte("b")) != b {
		t.Error("one is found for the other")
	}
	tab.Remove(a)
	if tab.Find(7<<32, []byte("a")) != nil || tab.Find(7<<32, []byte("b")) != b {
		t.Error("the wrong one is gone")
	}
}

// A removed item's memory is reused for the next one, which must show nothing of the
// first.
func TestReusedItemIsBlank(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "a long key", time.Second, true)
	it.Flags, it.Attached = 7, 8
	it.SetCAS(9)
	it.Mark(Fetched | Stale)
	tab.Remove(it)
	again := insert(tab, "b", ttl.Forever, false)
	if again != it {
		t.Fatal("the memory was not used again")
	}
	if string(again.Key()) != "b" || string(again.Value()) != "value of b" || again.Flags != 0 ||
		again.Attached != 0 || again.CAS() != 0 || again.marks != 0 || again.Expires() != ttl.Forever {
		t.Errorf("%+v", again)
	}
}

// Few buffers of removed items are kept for others, and no large ones; free slots keep none.
func TestSpareBuffersAreBounded(t *testing.T) {
	for _, size := range []int{10, 10 * maxSpareBytes} {
		tab := New[int]()
		insert(tab, "stays", ttl.Forever, true)
		for i := range 10 * maxSpare {
			tab.SetValue(insert(tab, fmt.Sprint(i), ttl.Forever, false), make([]byte, size))
		}
		for tab.Oldest() != nil {
			tab.Remove(tab.Oldest())
		}
		want := maxSpare
		if size > maxSpareBytes {
			want = 0
		}
		if len(tab.spare) != want {
			t.Errorf("%d buffers are kept of values of %d bytes, want %d", len(tab.spare), size, want)
		}
		for _, buf := range tab.spare {
			if cap(buf) > maxSpareBytes {
				t.Errorf("a buffer of %d bytes is kept", cap(buf))
			}
		}
		for i := range tab.items.room.items[1:] {
			if it := &tab.items.room.items[i+1]; it.data != nil || it.room() != 0 {
				t.Errorf("a free slot keeps a buffer of %d bytes", it.room())
			}
		}
	}
}

func TestOldest(t *testing.T) {
	tab := New[int]()
	for _, key := range []string{"a", "b", "c"} {
		insert(tab, key, ttl.Forever, false)
	}
	insert(tab, "pinned", ttl.Forever, true)
	tab.Use(find(tab, "a"), 5*time.Second)
	if got := byAge(tab); !slices.Equal(got, []string{"b", "c", "a"}) {
		t.Errorf("by age: %q", got)
	}
	if use := find(tab, "a").LastUse(); use != 5*time.Second {
		t.Errorf("last use %v", use)
	}
	for _, want := range []string{"b", "c", "a"} {
		it := tab.Oldest()
		if string(it.Key()) != want {
			t.Errorf("%q is the oldest, want %q", it.Key(), want)
		}
		tab.Remove(it)
	}
	tab.Use(find(tab, "pinned"), time.Second)
	if tab.Oldest() != nil || tab.PinnedLen() != 1 {
		t.Errorf("%q may be evicted", byAge(tab))
	}
}

func TestNextDue(t *testing.T) {
	tab := New[int]()
	for key, expires := range map[string]time.Duration{"a": 30, "b": 20, "c": ttl.Forever, "d": 40} {
		insert(tab, key, expires, true)
	}
	insert(tab, "ordinary", 10, false) // lingers
	for _, want := range []struct {
		key string
		at  time.Duration
	}{{"b", 20}, {"a", 30}, {"d", 40}, {"ordinary", 10 + Linger}} {
		it, at := tab.NextDue()
		if it == nil || string(it.Key()) != want.key || at != want.at {
			t.Fatalf("next due is %v at %v, want %v", it, at, want)
		}
		tab.Remove(it)
	}
	if it, at := tab.NextDue(); it != nil || at != ttl.Forever {
		t.Errorf("%q is due at %v", it.Key(), at)
	}
}

func TestSetExpires(t *testing.T) {
	tab := New[int]()
	a, b := insert(tab, "a", 10, true), insert(tab, "b", ttl.Forever, true)
	next := func(want *item) {
		t.Helper()
		if it, _ := tab.NextDue(); it != want {
			t.Errorf("%v is due next, want %v", it, want)
		}
	}
	tab.SetExpires(b, 5)
	next(b)
	tab.SetExpires(b, 15)
	next(a)
	tab.SetExpires(a, ttl.Forever)
	next(b)
	tab.SetExpires(b, ttl.Forever)
	next(nil)
}

func TestHurry(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "a", 10, false)
	tab.Hurry(it)
	if _, at := tab.NextDue(); at != 10 {
		t.Errorf("due at %v", at)
	}
	if tab.Oldest() != it {
		t.Error("it may not be evicted any more")
	}
}

func TestPostpone(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "a", 10, true)
	tab.Postpone(it, 50)
	if _, at := tab.NextDue(); at != 50 || it.Expires() != 10 {
		t.Errorf("expires at %v, due at %v", it.Expires(), at)
	}
	tab.SetExpires(it, 20)
	if _, at := tab.NextDue(); at != 20 {
		t.Errorf("due at %v after a change", at)
	}
}

func TestSetValue(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "key", ttl.Forever, false)
	one := func(value string) func() [][]byte {
		return func() [][]byte { return [][]byte{[]byte(value)} }
	}
	long := strings.Repeat("x", 10_000)
	for _, tt := range []struct {
		name  string
		parts func() [][]byte
		want  string
	}{
		{"shorter", one("ab"), "ab"},
		{"appended-to-itself", func() [][]byte { return [][]byte{it.Value(), []byte("c")} }, "abc"},
		{"prepended-to-itself", func() [][]byte { return [][]byte{[]byte("0"), it.Value()} }, "0abc"},
		{"empty", one(""), ""},
		{"long", one(long), long},
		{"short-after-long", one("z"), "z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab.SetValue(it, tt.parts()...)
			if string(it.Value()) != tt.want || string(it.Key()) != "key" {
				t.Errorf("%q is %q, want %q", it.Key(), it.Value(), tt.want)
			}
			if tab.Bytes() != it.Size() {
				t.Errorf("%d bytes are counted, it takes %d", tab.Bytes(), it.Size())
			}
			if it.room() > 2*int(it.size)+64 {
				t.Errorf("%d bytes hold %d", it.room(), it.size)
			}
		})
	}
}

func TestSizeFor(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "key", ttl.Forever, false)
	if least := tab.SizeFor(len("key"), len(it.Value())); it.Size() < least || it.Size() > least+16 {
		t.Errorf("an item takes %d bytes, said to be %d at least", it.Size(), least)
	}
}

func TestMarks(t *testing.T) {
	tab := New[int]()
	it := insert(tab, "a", ttl.Forever, false)
	it.Mark(Fetched | Won | Pinned)
	it.Clear(Won)
	if !it.Has(Fetched) || it.Has(Won) || it.Has(Pinned) || it.Has(Fetched|Won) {
		t.Errorf("marks %b", it.marks)
	}
}

func TestAllStops(t *testing.T) {
	tab := New[int]()
	for i := range 10 {
		insert(tab, fmt.Sprint(i), ttl.Forever, false)
	}
	visited := 0
	tab.All(func(*item) bool { visited++; return visited < 3 })
	if visited != 3 {
		t.Errorf("visited %d", visited)
	}
}

// modelItem is an item as the model has it.
type modelItem struct {
	value   string
	expires time.Duration
	pinned  bool
	prompt  bool
}

// model is a simple Table: a map, and the keys in order of their last use.
type model struct {
	items map[string]*modelItem
	byAge []string // of those not pinned
}

func (m *model) use(key string) {
	m.byAge = slices.DeleteFunc(m.byAge, func(k string) bool { return k == key })
	if it := m.items[key]; it != nil && !it.pinned {
		m.byAge = append(m.byAge, key)
	}
}

func (m *model) nextDue() time.Duration {
	next := ttl.Forever
	for _, it := range m.items {
		switch {
		case it.expires == ttl.Forever:
		case it.prompt:
			next = min(next, it.expires)
		default:
			next = min(next, it.expires+Linger)
		}
	}
	return next
}

func TestAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	tab, m := New[int](), &model{items: make(map[string]*modelItem)}
	for step := range 20_000 {
		key := fmt.Sprint(random.IntN(100))
		if step%5000 > 4000 {
			key = fmt.Sprint(random.IntN(1000)) // grow now and then
		}
		mutate(random, tab, m, key)
		compare(t, tab, m, key)
		if t.Failed() {
			t.Fatalf("after step %d with key %s", step, key)
		}
	}
	for key := range m.items {
		tab.Remove(find(tab, key))
	}
	if tab.Len() != 0 || tab.PinnedLen() != 0 || tab.Bytes() != 0 || tab.due.Len() != 0 {
		t.Errorf("empty, but of %d items and %d bytes", tab.Len(), tab.Bytes())
	}
}

// mutate does the same to both.
func mutate(random *rand.Rand, tab *table, m *model, key string) {
	expires := ttl.Forever
	if random.IntN(3) > 0 {
		expires = time.Duration(random.IntN(1000))
	}
	it, known := find(tab, key), m.items[key]
	value := string(make([]byte, random.IntN(1000)))
	if known == nil {
		pinned := random.IntN(3) == 0
		tab.Insert(hashOf(key), []byte(key), []byte(value), expires, 0, pinned)
		m.items[key] = &modelItem{value, expires, pinned, pinned}
		m.use(key)
		return
	}
	switch random.IntN(6) {
	case 0:
		tab.Remove(it)
		delete(m.items, key)
		m.use(key)
	case 1:
		tab.SetExpires(it, expires)
		known.expires = expires
	case 2:
		tab.SetValue(it, []byte(value))
		known.value = value
	case 3:
		tab.SetValue(it, it.Value(), []byte("more"))
		known.value += "more"
	case 4:
		tab.Use(it, 0)
		m.use(key)
	case 5:
		tab.Hurry(it)
		known.prompt = true
	}
}

func compare(t *testing.T, tab *table, m *model, key string) {
	it, known := find(tab, key), m.items[key]
	if (it == nil) != (known == nil) {
		t.Errorf("found %v, want %v", it, known)
	}
	if it != nil && (string(it.Value()) != known.value || it.Expires() != known.expires || it.Has(Pinned) != known.pinned) {
		t.Errorf("found %+v, want %+v", it, known)
	}
	if _, at := tab.NextDue(); at != m.nextDue() {
		t.Errorf("next due at %v, want %v", at, m.nextDue())
	}
	if got := byAge(tab); !slices.Equal(got, m.byAge) {
		t.Errorf("by age %v, want %v", got, m.byAge)
	}
	var size int64
	count := 0
	tab.All(func(it *item) bool { count++; size += it.Size(); return true })
	if tab.Len() != len(m.items) || count != len(m.items) || tab.PinnedLen() != len(m.items)-len(m.byAge) {
		t.Errorf("%d items, %d of them pinned; %d are there, want %d", tab.Len(), tab.PinnedLen(), count, len(m.items))
	}
	if tab.Bytes() != size {
		t.Errorf("%d bytes are counted, %d used", tab.Bytes(), size)
	}
}

func TestInsertDoesNotAllocate(t *testing.T) {
	tab := New[int]()
	key, value := []byte("lock:user:17"), []byte("0123456789abcdef")
	cycle := func() { tab.Remove(tab.Insert(1<<40, key, value, time.Second, 0, true)) }
	cycle()
	if n := testing.AllocsPerRun(100, cycle); n != 0 {
		t.Errorf("%v allocations per insert and remove", n)
	}
}

func BenchmarkInsertRemove(b *testing.B) {
	key, value := []byte("lock:user:17"), []byte("0123456789abcdef")
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("among-%d", others), func(b *testing.B) {
			tab := New[int]()
			for i := range others {
				insert(tab, fmt.Sprint("other", i), time.Duration(i)*time.Second, true)
			}
			b.ReportAllocs()
			for b.Loop() {
				tab.Remove(tab.Insert(1<<40, key, value, 30*time.Second, 0, true))
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	tab := New[int]()
	for i := range 100_000 {
		insert(tab, fmt.Sprint(i), ttl.Forever, false)
	}
	key := []byte("77777")
	hash := hashOf("77777")
	for b.Loop() {
		if tab.Find(hash, key) == nil {
			b.Fatal("not found")
		}
	}
}
