package stats

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Object is fields that become an object in JSON, with the names in order.
type Object []Field

// textual are the names of values that are text even if they look like numbers. A token is text
// because JSON readers with only one kind of number would round it.
var textual = []string{"key", "id", "class", "owner", "server", "node", "token", "version", "lockcached_version"}

// MarshalJSON writes a number as a number if every reader can represent it. Of text that is not UTF-8
// it writes bytes as %XX, as Legible does.
func (o Object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(o[i].Name)
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		value := []byte(o[i].Text)
		if slices.Contains(textual, o[i].Name) || !isNumber(o[i].Text) {
			if value, err = json.Marshal(Legible(o[i].Text)); err != nil {
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

// Legible returns text that is UTF-8 as it is, and writes the bytes of other text that are not plain
// letters and digits as %XX. JSON would lose them.
func Legible(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return url.PathEscape(text)
}
