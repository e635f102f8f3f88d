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

// MarshalJSON is AppendJSON.
func (o Object) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

// AppendJSON appends the object. It writes a number as a number if every reader can represent it. Of
// text that is not UTF-8 it writes bytes as %XX, as Legible does.
func (o Object) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, o[i].Name), ':')
		if slices.Contains(textual, o[i].Name) || !isNumber(o[i].Text) {
			b = appendText(b, o[i].Text)
		} else {
			b = append(b, o[i].Text...)
		}
	}
	return append(b, '}')
}

// appendText appends a string, quickly if there is nothing in it that has to be escaped.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || strings.IndexByte(`"\\<>&`, c) >= 0 {
			quoted, _ := json.Marshal(Legible(text)) // a string is always fine
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// isNumber reports whether a text is a number in JSON of at most 15 digits, which a float holds.
func isNumber(text string) bool {
	const exact = 15
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > exact+1 || digits[0] == '.' || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return false
	}
	point := false
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.' && !point && i < len(digits)-1:
			point = true
		case c < '0' || c > '9':
			return false
		}
	}
	return true
}

// Legible returns text that is UTF-8 as it is, and writes the bytes of other text that are not plain
// letters and digits as %XX. JSON would lose them.
func Legible(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return url.PathEscape(text)
}
