package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// detail is what "stats detail" counts, by the prefix of the key.
type detail struct {
	on        atomic.Bool
	delimiter byte

	mu       sync.Mutex // guards prefixes
	prefixes map[string]*prefixCounts
}

type prefixCounts struct{ gets, hits, sets, deletes uint64 }

// maxPrefixes bounds how many prefixes are counted, since clients can invent any number.
const maxPrefixes = 10_000

func (d *detail) init(delimiter byte, on bool) {
	d.delimiter = delimiter
	d.prefixes = make(map[string]*prefixCounts)
	d.on.Store(on)
}

// count calls change with the counts of the key's prefix. A key without the delimiter has no
// prefix and is not counted.
func (d *detail) count(key []byte, change func(*prefixCounts)) {
	i := bytes.IndexByte(key, d.delimiter)
	if i < 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.prefixes[string(key[:i])]
	if p == nil {
		if len(d.prefixes) >= maxPrefixes {
			return
		}
		p = new(prefixCounts)
		d.prefixes[string(key[:i])] = p
	}
	change(p)
}

func (d *detail) get(key []byte, hit bool) {
	d.count(key, func(p *prefixCounts) {
		p.gets++
		if hit {
			p.hits++
		}
	})
}

func (d *detail) set(key []byte) { d.count(key, func(p *prefixCounts) { p.sets++ }) }

func (d *detail) delete(key []byte) { d.count(key, func(p *prefixCounts) { p.deletes++ }) }

func (d *detail) reset() {
	d.mu.Lock()
	clear(d.prefixes)
	d.mu.Unlock()
}

// dump is the answer to "stats detail dump", without END.
func (d *detail) dump() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for name, p := range d.prefixes {
		lines = append(lines, fmt.Sprintf("PREFIX %s get %d hit %d set %d del %d\r\n",
			word(name), p.gets, p.hits, p.sets, p.deletes))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
