package client

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// memories are what the Client remembers of the locks that it dealt with lately.
// What it forgets costs a request, not correctness.
type memories struct {
	mu    sync.Mutex // guards all of it
	cache *simplelru.LRU[string, *memory]
}

// memory is what is remembered of one lock.
type memory struct {
	known float64   // how many holds were noted, when we last knew
	noted time.Time // when we last noted one
}

const remembered = 1000 // locks

func newMemories() *memories {
	cache, _ := simplelru.NewLRU[string, *memory](remembered, nil) // refuses sizes below 1 only
	return &memories{cache: cache}
}

// of gives access to the memory of one lock.
func (m *memories) of(key string, use func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.cache.Get(key)
	if !ok {
		known = new(memory)
		m.cache.Add(key, known)
	}
	use(known)
}
