package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// maxFile bounds a configuration file, in bytes: more is no configuration.
const maxFile = 1 << 20

// A file is a configuration file that was read.
type file struct {
	path   string
	info   fs.FileInfo
	given  map[string][]given // by the long names of flags, in the file's order
	faults []fault            // in the file's order
}

// A fault is what is wrong at a line of a file.
type fault struct {
	line int // 0 if it is about the whole
	what string
}

// readFile reads a configuration file. Faults in it are no error.
func readFile(path string) (*file, error) {
	text, info, err := slurp(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, info: info, given: make(map[string][]given)}
	if f.isTOML(text) {
		f.parse(text)
	}
	return f, nil
}

// slurp reads a file that is not too large. Its errors do not name the file.
func slurp(path string) (text []byte, info fs.FileInfo, err error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	defer r.Close()
	if info, err = r.Stat(); err != nil {
		return nil, nil, withoutPath(err)
	}
	text, err = io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return text, info, withoutPath(err)
}

func withoutPath(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", wrong.Err)
	}
	return err
}

// isTOML reports whether a text is TOML, with each key once; if not, that is a fault.
func (f *file) isTOML(text []byte) bool {
	var anything map[string]any
	err := toml.Unmarshal(text, &anything)
	if err == nil {
		return true
	}
	line := 0
	if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ = wrong.Position()
	}
	f.fault(line, "is no TOML: %s", term.Printable(strings.TrimPrefix(err.Error(), "toml: ")))
	return false
}

func (f *file) fault(line int, format string, args ...any) {
	f.faults = append(f.faults, fault{line, fmt.Sprintf(format, args...)})
}

// parse reads a text that is TOML. It goes through the syntax tree, because only that knows lines
// and the order of a table, in which the first pattern that matches counts.
func (f *file) parse(text []byte) {
	var p unstable.Parser
	p.Reset(text)
	r := reader{file: f, lines: &p}
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table:
			r.table(e)
		case unstable.ArrayTable:
			path, line := r.path(e.Key())
			r.within, r.skip = nil, true
			f.fault(line, "%s: should be a list, as in %s = [\"...\"]", path[0], path[0])
		case unstable.KeyValue:
			if path, line := r.path(e.Key()); !r.skip {
				r.entry(append(r.within[:len(r.within):len(r.within)], path...), line, e.Value())
			}
		}
	}
}

// A reader is on its way through a file.
type reader struct {
	file   *file
	lines  *unstable.Parser
	within []string // the table
	skip   bool     // the table is a fault
}

// path returns the parts of a key, and its line.
func (r *reader) path(parts unstable.Iterator) (path []string, line int) {
	for parts.Next() {
		part := parts.Node()
		path = append(path, string(part.Data))
		line = r.lines.Shape(part.Raw).Start.Line
	}
	return path, line
}

// table begins a table, which can only be the pairs of a flag.
func (r *reader) table(e *unstable.Node) {
	path, line := r.path(e.Key())
	r.within, r.skip = path, true
	f := r.flag(path[0], line)
	switch {
	case f == nil:
	case len(path) > 1:
		r.file.fault(line, "%s: has no tables of its own; put %q in quotes, and give it a value", path[0], strings.Join(path[1:], "."))
	case !f.hasPairs():
		r.file.fault(line, "%s: is no table; it should be %s", path[0], f.form())
	default:
		r.skip = false
	}
}

// flag finds a flag by its long name; nil is a fault.
func (r *reader) flag(name string, line int) *flag {
	f := byLong[name]
	switch {
	case f == nil:
		r.file.fault(line, "%s: there is no such flag%s", term.Printable(name), argv.Suggest(nearestFlag(name)))
		return nil
	case f.set == nil:
		r.file.fault(line, "%s: prints something, and is for the command line only", name)
		return nil
	case f.long == "config":
		r.file.fault(line, "%s: a file cannot name another; leave it out", name)
		return nil
	}
	return f
}

// nearestFlag is the long name that was probably meant, or "".
func nearestFlag(name string) string {
	var names []string
	for i := range flags {
		f := &flags[i]
		if f.short == name {
			return f.long
		}
		if f.set != nil && f.section != "" {
			names = append(names, f.long)
		}
	}
	return argv.Nearest(strings.ToLower(name), names, max(1, len(name)/3))
}

// entry reads the value of a flag, or of one pair in a flag's table.
func (r *reader) entry(path []string, line int, value *unstable.Node) {
	f := r.flag(path[0], line)
	switch {
	case f == nil:
	case len(path) == 1:
		r.value(f, line, value)
	case !f.hasPairs():
		r.file.fault(line, "%s: is no table; it should be %s", path[0], f.form())
	case len(path) > 2:
		name := strings.Join(path[1:], ".")
		r.file.fault(line, "%s: a name with dots needs quotes: %q", path[0], name)
	default:
		r.pair(f, path[1], line, value)
	}
}

// value reads what a flag is set to: one value, a list or a table.
func (r *reader) value(f *flag, line int, value *unstable.Node) {
	if r.file.given[f.key()] == nil {
		r.file.given[f.key()] = []given{} // an empty list counts, too
	}
	switch value.Kind {
	case unstable.Array:
		if !f.many && !f.joined {
			r.file.fault(line, "%s: is no list; it should be %s", f.long, f.form())
			return
		}
		for each := value.Children(); each.Next(); {
			r.scalar(f, "", r.lineOf(each.Node(), line), each.Node())
		}
	case unstable.InlineTable:
		if !f.hasPairs() {
			r.file.fault(line, "%s: is no table; it should be %s", f.long, f.form())
			return
		}
		for each := value.Children(); each.Next(); {
			path, at := r.path(each.Node().Key())
			r.entry(append([]string{f.long}, path...), at, each.Node().Value())
		}
	default:
		r.scalar(f, "", line, value)
	}
}

// pair reads one row of a table, such as "lock:*" = "200ms", or 9 for the option idle_timeout.
func (r *reader) pair(f *flag, name string, line int, value *unstable.Node) {
	if value.Kind == unstable.Array || value.Kind == unstable.InlineTable {
		r.file.fault(line, "%s: %s: should be one value", f.long, term.Printable(name))
		return
	}
	r.scalar(f, name+"=", line, value)
}

// lineOf is the line of a value, or the one where it began, where the parser does not know.
func (r *reader) lineOf(value *unstable.Node, began int) int {
	if value.Raw.Length == 0 {
		return began
	}
	return r.lines.Shape(value.Raw).Start.Line
}

// scalar reads one value, and has the flag's setter look at it.
func (r *reader) scalar(f *flag, before string, line int, value *unstable.Node) {
	text, ok := plain(f, value)
	if !ok || f.isSwitch() != (value.Kind == unstable.Bool) {
		what := strings.TrimSuffix(f.long+" = "+term.Printable(string(value.Data)), " = ")
		r.file.fault(line, "%s: should be %s", what, f.form())
		return
	}
	texts := []string{text}
	if f.many && before == "" && value.Kind == unstable.String {
		texts = strings.Split(text, ",") // as in a variable
	}
	for _, text := range texts {
		text = before + strings.TrimSpace(text)
		where := fmt.Sprintf("%s:%d: %s = %s", r.file.path, line, f.long, text)
		g := given{value: text, where: where, line: line}
		if err := newConfig().apply(f, g); err != nil {
			r.file.fault(line, "%s", strings.TrimPrefix(err.Error(), r.file.at(line)))
			continue
		}
		r.file.give(f, g)
	}
}

// give adds a value that is right.
func (f *file) give(to *flag, g given) {
	list := f.given[to.key()]
	if to.joined && len(list) > 0 { // one value for the setter, which looks at the whole
		list[0].value += "," + g.value
		return
	}
	f.given[to.key()] = append(list, g)
}

// at is how a line begins that is about a line of the file.
func (f *file) at(line int) string {
	if line == 0 {
		return f.path + ": "
	}
	return f.path + ":" + strconv.Itoa(line) + ": "
}

// refuse returns the error for the first fault, or nil.
func (f *file) refuse() error {
	if len(f.faults) == 0 {
		return nil
	}
	where, more := strings.TrimSuffix(f.at(f.faults[0].line), ": "), ""
	if n := len(f.faults) - 1; n > 0 {
		more = fmt.Sprintf(" (%d more: lockcached config check lists them)", n)
	}
	return exit.Refuse(where, f.faults[0].what+more)
}

// plain is a value as the command line would have it.
func plain(f *flag, value *unstable.Node) (text string, ok bool) {
	text = string(value.Data)
	switch value.Kind {
	case unstable.String, unstable.Bool, unstable.Float:
		return text, true
	case unstable.Integer:
		if f.long == "unix-mask" { // is octal anyway
			return strings.TrimPrefix(text, "0o"), true
		}
		n, err := strconv.ParseInt(text, 0, 64)
		return strconv.FormatInt(n, 10), err == nil
	}
	return text, false
}

// hasPairs reports whether a table stands for the flag's values: its rows are name=value.
func (f *flag) hasPairs() bool {
	return f.many && (strings.Contains(f.arg, "=") || f.long == "extended") || f.long == "cluster"
}

// form is what a file should set the flag to.
func (f *flag) form() string {
	switch {
	case f.isSwitch():
		return "true or false"
	case f.hasPairs():
		return "a list of <" + f.arg + ">, or a table"
	case f.many, f.joined:
		return "a list of <" + f.arg + ">"
	case f.counted:
		return "a number"
	}
	return "<" + f.arg + ">"
}
