package transcripts_test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// partNames are the parts of a reply in the order in which they are compared; the id comes after
// them.
var partNames = []string{"key", "value", "number", "flags", "extras", "opaque"}

// difference tells where a reply is not the expected one, "" if it is. What the story does not
// say has to be absent, but for the id of an item and flags of 0. It captures the named
// groups of a /regexp/ and the ids that get a name.
func (n notation) difference(p packet, captured map[string]string) (string, error) {
	switch {
	case p.opcode != n.opcode:
		return "the command is not " + commandOf(n.opcode).name, nil
	case p.status != n.status:
		return fmt.Sprintf("the status is not 0x%02x", n.status), nil
	case p.dataType != 0:
		return "the data type is not 0", nil
	}
	expected := n.expected()
	for _, name := range partNames {
		want, matters := expected[name]
		if !matters {
			continue
		}
		got, there := p.part(name)
		same, err := fieldFits(name, want, got, captured)
		if err != nil {
			return "", err
		}
		if !same || !there {
			return fmt.Sprintf("%s is not %s", name, cmp.Or(want, "empty")), nil
		}
	}
	return n.idDifference(p, captured)
}

// expected are the parts that a reply has to have.
func (n notation) expected() map[string]string {
	parts := map[string]string{"key": "", "value": "", "extras": ""}
	succeeds, answer := n.status == 0, commandOf(n.opcode).answer
	if _, said := n.fields["extras"]; succeeds && answer == hit && !said {
		delete(parts, "extras")
		parts["flags"] = "0"
	}
	if _, said := n.fields["number"]; said {
		delete(parts, "value")
	}
	maps.Copy(parts, n.fields)
	return parts
}

// idDifference compares the id: an item's, one that gets a name and is none of those that are
// known, or the one that is said.
func (n notation) idDifference(p packet, captured map[string]string) (string, error) {
	want, said := n.fields["cas"]
	got := strconv.FormatUint(p.cas, 10)
	if name := idName.FindStringSubmatch(want); name != nil {
		for known, id := range captured {
			if id == got {
				return "the id is not a new one but $" + known, nil
			}
		}
		captured[name[1]] = got
		said = false
	}
	switch has := n.status == 0 && commandOf(n.opcode).answer != plain; {
	case said:
		same, err := fieldFits("cas", want, got, captured)
		if same || err != nil {
			return "", err
		}
		return "the id is not " + want, nil
	case has && p.cas == 0:
		return "there is no id", nil
	case !has && p.cas != 0:
		return "there should be no id", nil
	}
	return "", nil
}

// idName is what cas= says where an id gets a name.
var idName = regexp.MustCompile(`^\(([a-z]+)\)$`)

// fieldFits reports whether a field of a reply is the one that the story expects.
func fieldFits(name, want, got string, captured map[string]string) (bool, error) {
	isNumber := name != "key" && name != "value" && name != "extras"
	if !isNumber || strings.HasPrefix(want, "/") {
		return fits(want, got, captured)
	}
	n, err := expandNumber(want, captured)
	return err == nil && strconv.FormatUint(n, 10) == got, err
}
