package stats

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is a number stays one, and whatever else there is becomes a string that reads the same.
func TestObject(t *testing.T) {
	for _, text := range []string{
		"", "0", "-1", "1.5", "0.25", "-0.5", "00", "01", "-01", "1.", ".5", "-", "1.2.3", "1e5", "+1", " 1", "123456789012345", "1234567890123456", "12345678901234567",
		"a", "a b", `a"b`, `a\b`, "<script>", "a&b", "caf\u00e9", "tab\t", "\x00", "\x7f", "\u2028", "no\xffutf8",
	} {
		o := Object{{Name: "x", Text: text}, {Name: "token", Text: text}}
		out, err := o.MarshalJSON()
		var back struct{ X, Token any }
		if err == nil {
			err = json.Unmarshal(out, &back)
		}
		if err != nil || back.Token != Legible(text) {
			t.Errorf("%q: %s, %v", text, out, err)
		}
		_, isNumber := back.X.(float64)
		digits := strings.TrimPrefix(text, "-")
		want := digits != "" && len(digits) <= 16 && strings.Trim(digits, "0123456789.") == "" && json.Valid([]byte(text))
		if isNumber != want || !isNumber && back.X != Legible(text) {
			t.Errorf("%q: %s", text, out)
		}
	}
}
