package command

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// A field is a name and its value, as on the wire.
type field struct{ name, text string }

// fields are the fields of one lock or server, in the order of the reply.
type fields []field

// parsePairs reads name=value,name=value.
func parsePairs(text, separator string) (list fields) {
	for pair := range strings.SplitSeq(text, separator) {
		name, value, _ := strings.Cut(pair, "=")
		list = append(list, field{name, value})
	}
	return list
}

// parseStats reads lines STAT NAME VALUE, and skips others.
func parseStats(lines []string) (list fields) {
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "STAT "); ok {
			name, value, _ := strings.Cut(rest, " ")
			list = append(list, field{name, value})
		}
	}
	return list
}

// text is the value of that name, "" if there is none.
func (f fields) text(name string) string {
	for i := range f {
		if f[i].name == name {
			return f[i].text
		}
	}
	return ""
}

// count is a value as a whole number; 0 if it is not one.
func (f fields) count(name string) uint64 {
	n, _ := strconv.ParseUint(f.text(name), 10, 64)
	return n
}

// ms is a value in milliseconds as a duration; 0 if it is not a number.
func (f fields) ms(name string) time.Duration {
	ms, _ := strconv.ParseFloat(f.text(name), 64)
	return time.Duration(ms * float64(time.Millisecond))
}

// MarshalJSON writes an object with the names in order, as stats.Object does.
func (f fields) MarshalJSON() ([]byte, error) {
	o := make(stats.Object, len(f))
	for i := range f {
		o[i] = stats.Field{Name: f[i].name, Text: f[i].text}
	}
	return o.MarshalJSON()
}
