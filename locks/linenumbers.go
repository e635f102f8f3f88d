package locks

// lineNumbers are the numbers of a shard's lines. An item remembers the line of those who wait for
// it by its number: that takes half of a pointer, in a place that is there anyway.
type lineNumbers struct {
	lines  []*line // by number; nil if there is none of that number, as of 0
	unused []uint32
}

// lineNumberBytes is how many bytes the number of a line takes here.
const lineNumberBytes = 12

func newLineNumbers() lineNumbers { return lineNumbers{lines: make([]*line, 1)} }

// add gives a line its number.
func (n *lineNumbers) add(l *line) {
	if last := len(n.unused) - 1; last >= 0 {
		l.number, n.unused = n.unused[last], n.unused[:last]
		n.lines[l.number] = l
		return
	}
	l.number = uint32(len(n.lines))
	n.lines = append(n.lines, l)
}

func (n *lineNumbers) remove(l *line) {
	n.lines[l.number] = nil
	n.unused = append(n.unused, l.number)
}

// lineFor returns the line of those who wait for an item, nil if there is none.
func (sh *shard) lineFor(it *item) *line { return sh.numbers.lines[it.Tag] }

// hasLine reports whether somebody waits for an item.
func hasLine(it *item) bool { return it.Tag != 0 }
