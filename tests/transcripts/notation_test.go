package transcripts_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A notation is a packet as a story writes it: "set key=k value=v" or
// "get 0x01 "Not found"". Fields keep the text that stands in the file, because some
// of it is known only when the story is played.
type notation struct {
	opcode byte
	status uint16 // of a reply
	fields map[string]string
}

var (
	quoted  = `"(?:[^"\\]|\\.)*"`
	literal = `(?:\$\{[^}]*\}|[^\s"])*`
	// A word is a field, the text of an error, or the separator of packets.
	packetWord = regexp.MustCompile(`^(?:([a-z]+)=(` + quoted + `|/(?:[^/\\]|\\.)*/|` + literal + `)|(` + quoted + `)|(\S+))(?: +|$)`)
)

// parseNotations reads what stands behind "A>>" or "A<<": packets with ";" between them.
func parseNotations(text string, reply bool) ([]notation, error) {
	words, err := packetWords(text)
	if err != nil {
		return nil, err
	}
	var all []notation
	for more := true; more; {
		packet := words
		if end := slices.Index(words, ";"); end >= 0 {
			packet, words = words[:end], words[end+1:]
		} else {
			more = false
		}
		n, err := parseNotation(packet, reply)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func packetWords(text string) (words []string, err error) {
	for text != "" {
		match := packetWord.FindString(text)
		if match == "" {
			return nil, fmt.Errorf("%q is no field of a packet", text)
		}
		words = append(words, strings.TrimRight(match, " "))
		text = text[len(match):]
	}
	return words, nil
}

func parseNotation(words []string, reply bool) (n notation, err error) {
	if len(words) == 0 {
		return n, errors.New("a packet without a command")
	}
	if n.opcode, err = opcodeOf(words[0]); err != nil {
		return n, err
	}
	words = words[1:]
	if reply && len(words) > 0 && strings.HasPrefix(words[0], "0x") {
		status, err := strconv.ParseUint(words[0], 0, 16)
		if err != nil {
			return n, err
		}
		n.status, words = uint16(status), words[1:]
	}
	n.fields = map[string]string{}
	for _, word := range words {
		name, value := "value", word // the text of an error
		if groups := packetWord.FindStringSubmatch(word); groups[1] != "" {
			name, value = groups[1], groups[2]
		} else if !reply || groups[3] == "" {
			return n, fmt.Errorf("%s is no field of a packet", word)
		}
		_, twice := n.fields[name]
		if twice || !n.mayHave(name, reply) {
			return n, fmt.Errorf("%s: %s is said twice, or has no place in it", commandOf(n.opcode).name, name)
		}
		n.fields[name] = value
	}
	return n, nil
}

// mayHave reports whether a request or a reply of that command has a field of that name.
func (n notation) mayHave(name string, reply bool) bool {
	command := commandOf(n.opcode)
	switch {
	case slices.Contains([]string{"key", "value", "extras", "opaque", "cas"}, name):
		return true
	case reply:
		return name == "flags" && command.answer == hit || name == "number" && command.answer == counted
	}
	named := func(f number) bool { return f.name == name }
	return slices.ContainsFunc(command.extras, named) || slices.ContainsFunc(headerFields, named)
}

// encode makes a request of it, with that opaque unless it says one. Lengths are what they
// ought to be unless they are said.
func (n notation) encode(opaque uint32, captured map[string]string) ([]byte, error) {
	extras, err := n.encodeExtras(captured)
	if err != nil {
		return nil, err
	}
	key, err := expandLiteral(n.fields["key"], captured)
	if err != nil {
		return nil, err
	}
	value, err := expandLiteral(n.fields["value"], captured)
	if err != nil {
		return nil, err
	}
	b := slices.Concat(make([]byte, headerSize), extras, []byte(key), []byte(value))
	b[0], b[1] = requestMagic, n.opcode
	preset := map[string]uint64{
		"magic": requestMagic, "keylen": uint64(len(key)), "extlen": uint64(len(extras)), "bodylen": uint64(len(b) - headerSize),
		"opaque": uint64(opaque),
	}
	return b, n.putNumbers(b, headerFields, preset, captured)
}

func (n notation) encodeExtras(captured map[string]string) ([]byte, error) {
	if text, said := n.fields["extras"]; said {
		extras, err := expandLiteral(text, captured)
		return []byte(extras), err
	}
	layout := commandOf(n.opcode).extras
	if _, said := n.fields["delay"]; len(layout) == 0 || layout[0].name == "delay" && !said {
		return nil, nil // a flush without a delay has no extras
	}
	last := layout[len(layout)-1]
	extras := make([]byte, last.at+last.size)
	return extras, n.putNumbers(extras, layout, map[string]uint64{"delta": 1}, captured)
}

// putNumbers writes those numbers that are said, and the others as they are preset or 0.
func (n notation) putNumbers(b []byte, layout []number, preset map[string]uint64, captured map[string]string) error {
	for _, field := range layout {
		value := preset[field.name]
		if text, said := n.fields[field.name]; said {
			var err error
			if value, err = expandNumber(text, captured); err != nil {
				return fmt.Errorf("%s: %w", field.name, err)
			}
		}
		if err := field.put(b, value); err != nil {
			return err
		}
	}
	return nil
}

func expandNumber(text string, captured map[string]string) (uint64, error) {
	expanded, err := expandLiteral(text, captured)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(expanded, 0, 64)
}
