package transcripts_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/internal/harness"
)

// A transcript is one file of testdata/transcripts: a story told in what
// clients send and what they read. testdata/transcripts/README.md explains the
// format.
type transcript struct {
	path  string
	only  bool    // lockcached's own behaviour, which memcached does not share
	since version // the oldest memcached that answers like this
	until version // the first that no longer does; nil for none
	flags []string
	whole bool // what is sent is one packet, not to be cut into bytes
	steps []step
}

// A step is one line that makes something happen, or a comment, and the reply
// lines that stand below it.
type step struct {
	line    int    // where it stands in the file
	source  string // as it stands there
	action  action
	client  string        // A, B, ...
	text    string        // of a send or a hangUp, after the marker
	pause   time.Duration // of a pause
	replies []reply
}

type action int

const (
	note   action = iota // a comment, a directive or an empty line
	send                 // A> text
	hangUp               // A! close, A! half-close
	pause                // ~ 1.5s
)

// A reply is one "A< text" line.
type reply struct {
	client string
	text   string
}

// Replies that stand for something other than a line.
const (
	waiting = "(waiting)" // nothing to read yet
	closed  = "(closed)"  // the server closed the connection
	skip    = "..."       // any number of lines, up to one that fits the next reply
)

// version is memcached's: 1.6.45 is {1, 6, 45}.
type version []int

func (v version) before(other version) bool { return slices.Compare(v, other) < 0 }

// toldBy reports whether that version of memcached answers like this.
func (s *transcript) toldBy(v version) bool {
	return !s.only && !v.before(s.since) && (s.until == nil || v.before(s.until))
}

func parseVersion(s string) (version, error) {
	var v version
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("version %q: %w", s, err)
		}
		v = append(v, n)
	}
	return v, nil
}

// readTranscripts parses every transcript there is.
func readTranscripts(t *testing.T) []*transcript {
	t.Helper()
	var all []*transcript
	for _, path := range harness.Glob(t, "testdata/transcripts/*.txt") {
		script, err := parseTranscript(path, harness.ReadFile(t, path))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, script)
	}
	return all
}

func parseTranscript(path, text string) (*transcript, error) {
	script := &transcript{path: path}
	if !strings.HasPrefix(text, "# ") {
		return nil, fmt.Errorf("%s: the first line should be a comment that tells the story", path)
	}
	number := 0
	for source := range strings.Lines(text) {
		number++
		if err := script.add(number, strings.TrimSuffix(source, "\n")); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	return script, nil
}

var (
	exchangeLine = regexp.MustCompile(`^([A-Z])([<>!])(?: (.*))?$`)
	pauseLine    = regexp.MustCompile(`^~ (\S+)$`)
)

// add appends one line of the file.
func (s *transcript) add(number int, source string) error {
	next := step{line: number, source: source}
	exchange := exchangeLine.FindStringSubmatch(source)
	switch {
	case strings.HasPrefix(source, "#:"):
		if err := s.direct(strings.TrimSpace(source[2:])); err != nil {
			return err
		}
	case source == "" || source[0] == '#':
	case pauseLine.MatchString(source):
		d, err := time.ParseDuration(source[2:])
		if err != nil {
			return err
		}
		next.action, next.pause = pause, d
	case exchange == nil:
		return fmt.Errorf("%q is not a line of a transcript", source)
	case exchange[2] == "<":
		last := &s.steps[len(s.steps)-1]
		last.replies = append(last.replies, reply{client: exchange[1], text: exchange[3]})
		return nil
	case exchange[2] == "!":
		next.action, next.client, next.text = hangUp, exchange[1], exchange[3]
	default:
		next.action, next.client, next.text = send, exchange[1], exchange[3]
	}
	s.steps = append(s.steps, next)
	return nil
}

// direct obeys one "#:" line.
func (s *transcript) direct(directive string) (err error) {
	word, rest, _ := strings.Cut(directive, " ")
	switch {
	case word == "only" && strings.HasPrefix(rest, "lockcached — "):
		s.only = true
	case word == "memcached" && strings.HasPrefix(rest, ">= "):
		s.since, err = parseVersion(rest[len(">= "):])
	case word == "memcached" && strings.HasPrefix(rest, "< "):
		s.until, err = parseVersion(rest[len("< "):])
	case directive == "whole":
		s.whole = true
	case word == "flags" && rest != "":
		s.flags = strings.Fields(rest)
	default:
		err = fmt.Errorf("unknown directive %q", directive)
	}
	return err
}

// name is the file's, without directory and extension.
func (s *transcript) name() string {
	return strings.TrimSuffix(filepath.Base(s.path), ".txt")
}

// longestPause tells how long a server without virtual time would be idle.
func (s *transcript) longestPause() time.Duration {
	var longest time.Duration
	for _, step := range s.steps {
		longest = max(longest, step.pause)
	}
	return longest
}

// String is the file's content.
func (s *transcript) String() string {
	var b strings.Builder
	for _, step := range s.steps {
		fmt.Fprintln(&b, step.source)
		for _, r := range step.replies {
			fmt.Fprintln(&b, strings.TrimSuffix(r.client+"< "+r.text, " "))
		}
	}
	return b.String()
}

var placeholder = regexp.MustCompile(`\$\{repeat (.+?) (\d+)\}|\$\{now([+-]\d+)?\}|\$\{|\$([a-z]+)`)

// expand replaces ${repeat TEXT N}, ${now+N} (Unix seconds) and the $names under which
// replies were captured.
func expand(text string, captured map[string]string) (string, error) {
	var err error
	expanded := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		groups := placeholder.FindStringSubmatch(match)
		switch {
		case groups[1] != "":
			n, _ := strconv.Atoi(groups[2])
			return strings.Repeat(groups[1], n)
		case match == "${":
			err = fmt.Errorf("%s holds neither a repeat nor a now", text)
			return match
		case groups[4] == "":
			offset, _ := strconv.Atoi(groups[3])
			return strconv.FormatInt(time.Now().Unix()+int64(offset), 10)
		}
		value, ok := captured[groups[4]]
		if !ok {
			err = fmt.Errorf("nothing was captured as %s", match)
		}
		return value
	})
	return expanded, err
}

// wire is what "A> text" sends: the text and CRLF, or exactly what stands
// between quotes.
func wire(text string, captured map[string]string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		text += "\r\n"
		return expand(text, captured)
	}
	unquoted, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	return expand(unquoted, captured)
}

// fits reports whether a line that was read is the one that the reply expects, and captures
// the named groups of a /regexp/.
func (r reply) fits(line string, captured map[string]string) (bool, error) {
	text := r.text
	if len(text) >= 2 && text[0] == '/' && text[len(text)-1] == '/' {
		pattern, err := expand(text[1:len(text)-1], captured)
		if err != nil {
			return false, err
		}
		return matches(pattern, line, captured)
	}
	if strings.HasPrefix(text, `"`) {
		unquoted, err := strconv.Unquote(text)
		if err != nil {
			return false, fmt.Errorf("%s: %w", text, err)
		}
		text = unquoted
	}
	expected, err := expand(text, captured)
	return expected == line, err
}

func matches(pattern, line string, captured map[string]string) (bool, error) {
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return false, err
	}
	groups := re.FindStringSubmatch(line)
	if groups == nil {
		return false, nil
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			captured[name] = groups[i]
		}
	}
	return true, nil
}

// longRun is how many equal bytes in a row are written as a ${repeat}.
const longRun = 100

// replyText writes a line that was read so that the reply fits it.
func replyText(line string) string {
	line = foldRuns(line)
	plain := line != "" && strings.TrimSpace(line) == line &&
		!strings.ContainsAny(line[:1], `"/(`) && line != skip &&
		strconv.Quote(line) == `"`+strings.ReplaceAll(line, `"`, `\"`)+`"`
	if plain {
		return line
	}
	return strconv.Quote(line)
}

func foldRuns(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		run := 1
		for i+run < len(line) && line[i+run] == line[i] {
			run++
		}
		if run >= longRun {
			fmt.Fprintf(&b, "${repeat %c %d}", line[i], run)
		} else {
			b.WriteString(line[i : i+run])
		}
		i += run
	}
	return b.String()
}
