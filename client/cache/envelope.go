package cache

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// envelope is how a cached value is stored: behind a line that says what readers
// need to know, and that a person can read, too.
//
//	lockcached/1 computed_ms=1012.345 fresh_until=1795263491651
//	{"name":"Alice"}
//
// fresh_until is a Unix time in milliseconds. The word "error" at the end of the
// line says that computing failed, and that the error's text follows; "unstorable", that
// the value is not there because the server does not store it.
type envelope struct {
	computed   time.Duration // how long computing took
	freshUntil time.Time     // by the wall clock, since other hosts read it
	failed     bool
	unstorable bool
	payload    []byte
}

const (
	envelopeMark = "lockcached/1"
	longestLine  = 200 // bytes that are searched for the end of the line
)

// seal returns what is stored.
func (e *envelope) seal() []byte {
	line := fmt.Sprintf("%s computed_ms=%.3f fresh_until=%d", envelopeMark, milliseconds(e.computed), e.freshUntil.UnixMilli())
	if e.failed {
		line += " error"
	}
	if e.unstorable {
		line += " unstorable"
	}
	return append(append([]byte(line), '\n'), e.payload...)
}

// unseal reads what is stored, and reports whether it is an envelope at all:
// anybody can write to a cache. Words that it does not know are skipped.
func unseal(stored []byte) (e envelope, ok bool) {
	end := bytes.IndexByte(stored[:min(len(stored), longestLine)], '\n')
	if end < 0 {
		return e, false
	}
	words := strings.Split(string(stored[:end]), " ")
	if words[0] != envelopeMark {
		return e, false
	}
	for _, word := range words[1:] {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "computed_ms":
			ms, err := strconv.ParseFloat(value, 64)
			if err != nil || !(ms >= 0 && ms <= longestComputing.Seconds()*1e3) {
				return e, false
			}
			e.computed = time.Duration(ms * float64(time.Millisecond))
		case "fresh_until":
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return e, false
			}
			e.freshUntil = time.UnixMilli(ms)
		case "error":
			e.failed = true
		case "unstorable":
			e.unstorable = true
		}
	}
	e.payload = stored[end+1:]
	return e, !e.freshUntil.IsZero()
}

// longestComputing bounds what an envelope can claim, far within a Duration.
const longestComputing = 365 * 24 * time.Hour

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
