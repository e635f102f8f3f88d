package history

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is the result of a Checker for a history.
type Verdict struct {
	Keys      int
	Undecided []string    // keys for which the time was not enough
	Findings  []Violation // empty if every answer can be explained
}

// Violation is an answer that no correct server gives.
type Violation struct {
	Key  string
	What string
	info *porcupine.LinearizationInfo
}

// Drawable reports whether Draw has more to show than What says.
func (v *Violation) Drawable() bool { return v.info != nil }

// Draw writes a page that shows the requests on the key and how far they can be
// explained.
func (v *Violation) Draw(w io.Writer) error { return porcupine.Visualize(model, *v.info, w) }

// Checker judges the histories of one server, one after the other. Only Patience
// is required.
type Checker struct {
	Patience time.Duration // for each key
	Workers  int           // keys checked at a time; 0 is one
	Floor    uint64        // a token below all that will be granted
	PerKey   bool          // tokens rise for each key, not over all: the server is a cluster
}

// Check judges a history. The locks in it are free at its beginning.
func (c *Checker) Check(ops []*Op) Verdict {
	byKey := make(map[string][]*Op)
	for _, op := range ops {
		if op.Kind == Get && op.Result == Unknown {
			continue // it says nothing
		}
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	v := Verdict{Keys: len(byKey)}
	if c.PerKey {
		for _, key := range slices.Sorted(maps.Keys(byKey)) {
			v.Findings = append(v.Findings, (&Checker{}).tokens(byKey[key])...)
		}
	} else {
		v.Findings = c.tokens(ops)
	}
	var (
		mu   sync.Mutex // guards v
		wg   sync.WaitGroup
		keys = make(chan string)
	)
	for range max(1, c.Workers) {
		wg.Go(func() {
			for key := range keys {
				result, info := c.checkKey(byKey[key])
				mu.Lock()
				v.note(key, byKey[key], result, info)
				mu.Unlock()
			}
		})
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		keys <- key
	}
	close(keys)
	wg.Wait()
	return v
}

func (v *Verdict) note(key string, ops []*Op, result porcupine.CheckResult, info *porcupine.LinearizationInfo) {
	switch result {
	case porcupine.Unknown:
		v.Undecided = append(v.Undecided, key)
	case porcupine.Illegal:
		what := "no order of the requests explains the answers"
		if op := stumblingBlock(ops, info); op != nil {
			what += fmt.Sprintf("; client %d, at %v: %v", op.Client, op.Call, op)
		}
		v.Findings = append(v.Findings, Violation{key, what, info})
	}
}

// stumblingBlock is the request at which the best attempt at an explanation had to end: of
// the requests that it leaves out, the one that was answered first.
func stumblingBlock(ops []*Op, info *porcupine.LinearizationInfo) (first *Op) {
	var best []porcupine.Operation
	for _, attempt := range info.PartialLinearizationsOperations()[0] {
		if len(attempt) > len(best) {
			best = attempt
		}
	}
	explained := make(map[*Op]bool, len(best))
	for _, operation := range best {
		explained[operation.Input.(*Op)] = true
	}
	for _, op := range ops {
		if !explained[op] && (first == nil || op.Return < first.Return) {
			first = op
		}
	}
	return first
}

// checkKey asks porcupine. How far porcupine came costs much more to find out, so that is
// done for violations only.
func (c *Checker) checkKey(ops []*Op) (porcupine.CheckResult, *porcupine.LinearizationInfo) {
	operations := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		operations[i] = porcupine.Operation{
			ClientId: op.Client, Input: op, Call: int64(op.Call), Return: int64(op.Return),
		}
	}
	result := porcupine.CheckOperationsTimeout(model, operations, c.Patience)
	if result != porcupine.Illegal {
		return result, nil
	}
	_, info := porcupine.CheckOperationsVerbose(model, operations, c.Patience)
	return result, &info
}

// tokens checks that each grant's token is above those of all of these grants, of
// whatever lock, that had been answered before it was asked for.
func (c *Checker) tokens(ops []*Op) (found []Violation) {
	var grants []*Op
	for _, op := range ops {
		if op.Kind == Claim && op.Token != 0 {
			grants = append(grants, op)
		}
	}
	byReturn := slices.Clone(grants)
	slices.SortFunc(grants, func(a, b *Op) int { return cmp.Compare(a.Call, b.Call) })
	slices.SortFunc(byReturn, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	for _, op := range grants {
		for len(byReturn) > 0 && byReturn[0].Return < op.Call {
			c.Floor = max(c.Floor, byReturn[0].Token)
			byReturn = byReturn[1:]
		}
		if op.Token <= c.Floor {
			found = append(found, Violation{Key: op.Key, What: fmt.Sprintf(
				"token %d of %s is not above %d, which was given before", op.Token, op.Value, c.Floor)})
		}
	}
	for _, op := range byReturn {
		c.Floor = max(c.Floor, op.Token)
	}
	return found
}
