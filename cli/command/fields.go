package command

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
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

// textual are the names of values that are text even if they look like numbers. A token is text
// because JSON readers with only one kind of number would round it.
var textual = []string{"key", "owner", "server", "node", "token", "version", "lockcached_version"}

// MarshalJSON writes an object with the names in order. A number stays a number if every reader
// can represent it.
func (f fields) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i := range f {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f[i].name)
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		value := []byte(f[i].text)
		if slices.Contains(textual, f[i].name) || !isNumber(f[i].text) {
			if value, err = json.Marshal(f[i].text); err != nil {
				return nil, err
			}
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

func isNumber(text string) bool {
	const exact = 15 // digits that a float holds
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && len(digits) <= exact+1 && strings.Trim(digits, "0123456789.") == "" && json.Valid([]byte(text))
}
