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
	late  bool // replies may take a while in virtual time, too
	alone bool // in a cluster it goes another way
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
	packets []notation    // of a send of packets
	pause   time.Duration // of a pause
	replies []reply
}

type action int

const (
	note   action = iota // a comment, a directive or an empty line
	send                 // A> text, A>> packets
	hangUp               // A! close, A! half-close
	pause                // ~ 1.5s
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
	exchangeLine = regexp.MustCompile(`^([A-Z])(<<?|>>?|!)(?: (.*))?$`)
	pauseLine    = regexp.MustCompile(`^~ (\S+)$`)
)

// add appends one line of the file.
func (s *transcript) add(number int, source string) (err error) {
	next := step{line: number, source: source}
	exchange := exchangeLine.FindStringSubmatch(source)
	switch {
	case strings.HasPrefix(source, "#:"):
		if err := s.direct(strings.TrimSpace(source[2:])); err != nil {
			return err
		}
	case source == "" || source[0] == '#':
	case pauseLine.MatchString(source):
		next.action = pause
		if next.pause, err = time.ParseDuration(source[2:]); err != nil {
			return err
		}
	case exchange == nil:
		return fmt.Errorf("%q is not a line of a transcript", source)
	case exchange[2][0] == '<':
		r, err := parseReply(exchange[1], exchange[3], exchange[2] == "<<")
		last := &s.steps[len(s.steps)-1]
		last.replies = append(last.replies, r)
		return err
	case exchange[2] == "!":
		next.action, next.client, next.text = hangUp, exchange[1], exchange[3]
	case exchange[2] == ">>":
		next.action, next.client = send, exchange[1]
		if next.packets, err = parseNotations(exchange[3], false); err != nil {
			return err
		}
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
	case directive == "late":
		s.late = true
	case strings.HasPrefix(directive, "alone — "):
		s.alone = true
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

// pauses tells how long the pauses are together.
func (s *transcript) pauses() (sum time.Duration) {
	for _, step := range s.steps {
		sum += step.pause
	}
	return sum
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
			fmt.Fprintln(&b, strings.TrimSuffix(r.client+r.marker()+r.text, " "))
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
	}
	return expandLiteral(text, captured)
}

// expandLiteral expands a text, or what stands between its quotes.
func expandLiteral(text string, captured map[string]string) (string, error) {
	if strings.HasPrefix(text, `"`) {
		unquoted, err := strconv.Unquote(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", text, err)
		}
		text = unquoted
	}
	return expand(text, captured)
}
