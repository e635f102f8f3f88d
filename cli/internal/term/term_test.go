package term

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"lock:x":            "lock:x",
		"Schloß":            "Schloß",
		"\x1b[2Jgone":       `\x1b[2Jgone`,
		"a\x00b\xffc\uFFFD": `a\x00b\xffc` + "\uFFFD",
		"\u202e":            `\xe2\x80\xae`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
