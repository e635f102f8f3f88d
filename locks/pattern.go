package locks

import (
	"path"
	"strings"
)

// Pattern is a glob over keys: '*' stands for any bytes, '?' for one, [a-z] for
// one of a set. A '/' is a byte like any other. The zero Pattern describes no key.
type Pattern struct {
	text   string // as it was written
	glob   string
	prefix string // the beginning of the key, or the whole of it, by kind
	kind   patternKind
}

type patternKind uint8

const (
	byGlob patternKind = iota
	byPrefix
	exactly
)

// path.Match treats '/' specially, so it is given another byte instead.
var noSlash = strings.NewReplacer("/", "\x01")

// NewPattern reads a glob. The error is path.ErrBadPattern.
func NewPattern(glob string) (Pattern, error) {
	p := Pattern{text: glob, glob: noSlash.Replace(glob)}
	if _, err := path.Match(p.glob, ""); err != nil {
		return Pattern{}, err
	}
	stem, star := strings.CutSuffix(glob, "*")
	if !strings.ContainsAny(stem, `*?[\`) {
		p.prefix, p.kind = stem, exactly
		if star {
			p.kind = byPrefix
		}
	}
	return p, nil
}

// MustPattern is NewPattern for a glob that is known to be good. It panics if it is not.
func MustPattern(glob string) Pattern {
	p, err := NewPattern(glob)
	if err != nil {
		panic("locks: " + glob + ": " + err.Error())
	}
	return p
}

// String is the glob as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern describes the key.
func (p *Pattern) Match(key []byte) bool {
	switch p.kind {
	case exactly:
		return string(key) == p.prefix
	case byPrefix:
		return strings.HasPrefix(stringOf(key), p.prefix)
	}
	matched, _ := path.Match(p.glob, noSlash.Replace(stringOf(key)))
	return matched
}

// matcher says which keys are locks; an empty one says that every key is.
type matcher []Pattern

func (m matcher) match(key []byte) bool {
	for i := range m {
		if m[i].Match(key) {
			return true
		}
	}
	return len(m) == 0
}
