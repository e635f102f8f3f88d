package main

import (
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

// A roff is a page on its way, in the language of man(7).
type roff struct{ strings.Builder }

// macro writes a line such as .SH "NAME".
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, arg := range args {
		r.WriteString(` "` + escapes.Replace(arg) + `"`)
	}
	r.WriteByte('\n')
}

// line writes a line of text.
func (r *roff) line(text string) {
	if text = escapes.Replace(text); strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	r.WriteString(text + "\n")
}

// escapes replaces what would be read as something else, or shown as a sign that no shell takes.
var escapes = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`)

// paragraphs writes a text for terminals. What it indents is kept as it is, and the rest is filled.
func (r *roff) paragraphs(text string) {
	for p := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		r.macro("PP")
		literal := false
		for line := range strings.SplitSeq(p, "\n") {
			if indented := strings.HasPrefix(line, "  "); indented != literal {
				literal = indented
				r.macro(map[bool]string{true: "nf", false: "fi"}[literal])
			}
			r.line(line)
		}
		if literal {
			r.macro("fi")
		}
	}
}

// flag writes an entry of a list of flags.
func (r *roff) flag(f argv.Described) {
	r.macro("TP")
	r.macro("B", strings.TrimSpace(f.Synopsis()))
	r.line(upperFirst(f.Usage) + ".")
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
