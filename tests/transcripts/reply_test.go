package transcripts_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A reply is one "A< text" line, or "A<< packet".
type reply struct {
	client string
	text   string
	binary bool      // A<<
	packet *notation // nil for a line, and where the text stands for something else
}

// Replies that stand for something other than a line.
const (
	waiting = "(waiting)" // nothing to read yet
	closed  = "(closed)"  // the server closed the connection
	skip    = "..."       // any number of lines, up to one that fits the next reply
)

func parseReply(client, text string, binary bool) (reply, error) {
	r := reply{client: client, text: text, binary: binary}
	if !binary || r.text == waiting || r.text == closed || r.text == skip {
		return r, nil
	}
	packets, err := parseNotations(text, true)
	if err == nil && len(packets) != 1 {
		err = fmt.Errorf("%s: one reply a line", text)
	}
	if err != nil {
		return r, err
	}
	r.packet = &packets[0]
	return r, nil
}

func (r reply) marker() string {
	if r.binary {
		return "<< "
	}
	return "< "
}

// framing is how its message is cut from what was read.
func (r reply) framing() framing {
	if r.binary {
		return cutPacket
	}
	return cutLine
}

// difference tells how a message is not the expected reply, "" if it is. It captures the named
// groups of a /regexp/ and the ids that get a name.
func (r reply) difference(message string, captured map[string]string) (string, error) {
	if r.packet == nil {
		same, err := fits(r.text, message, captured)
		if same || err != nil {
			return "", err
		}
		return "another line", nil
	}
	p, wrong := parsePacket(message)
	if wrong != "" {
		return wrong, nil
	}
	return r.packet.difference(p, captured)
}

// fits reports whether a text that was read is the expected one, a /regexp/ or a literal.
func fits(expected, text string, captured map[string]string) (bool, error) {
	if len(expected) >= 2 && expected[0] == '/' && expected[len(expected)-1] == '/' {
		pattern, err := expand(expected[1:len(expected)-1], captured)
		if err != nil {
			return false, err
		}
		return matches(pattern, text, captured)
	}
	literal, err := expandLiteral(expected, captured)
	return literal == text, err
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

// fieldText writes what was read so that a field fits it.
func fieldText(value string) string {
	value = foldRuns(value)
	if bareField.MatchString(value) {
		return value
	}
	return strconv.Quote(value)
}

// bareField is a value that needs no quotes.
var bareField = regexp.MustCompile(`^[!#-.0-:<-~][!#-~]*$`)

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
