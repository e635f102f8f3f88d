package history

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// In these histories every request is on the key "k", unless it says otherwise, and
// times are seconds.
func at(op Op, call, back float64) *Op {
	op.Call, op.Return = seconds(call), seconds(back)
	if op.Key == "" {
		op.Key = "k"
	}
	if op.Cut == 0 {
		op.Cut = Never
	}
	return &op
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// forever is an answer that never came, and nobody knows when the request ends.
const forever = float64(1 << 32)

func claim(value string, lease float64, token uint64) Op {
	return Op{Kind: Claim, Value: value, Lease: seconds(lease), Result: Done, Token: token}
}

func waiting(op Op) Op {
	op.Waits = true
	return op
}

func cutAt(op Op, s float64) Op {
	op.Cut = seconds(s)
	return op
}

func unanswered(op Op) Op {
	op.Result, op.Token = Unknown, 0
	return op
}

func refused(value string) Op {
	return Op{Kind: Claim, Value: value, Lease: time.Second, Result: Refused}
}

func del(r Result) Op                  { return Op{Kind: Delete, Result: r} }
func remove(token uint64, r Result) Op { return Op{Kind: Remove, Compare: token, Result: r} }
func touch(lease float64, r Result) Op { return Op{Kind: Touch, Lease: seconds(lease), Result: r} }
func get(value string, token uint64) Op {
	return Op{Kind: Get, Value: value, Token: token, Result: Done}
}
func miss() Op                { return Op{Kind: Get, Result: Absent} }
func on(key string, op Op) Op { op.Key = key; return op }
func swap(token uint64, v string, s float64) Op {
	return Op{Kind: Swap, Compare: token, Value: v, Lease: seconds(s), Result: Done}
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		name string
		ops  []*Op
		want string // of the finding; "" if there is none
	}{
		{"in-turn", []*Op{at(claim("a", 9, 5), 0, 1), at(del(Done), 2, 3), at(claim("b", 9, 6), 4, 5)}, ""},
		{"granted-twice", []*Op{at(claim("a", 9, 5), 0, 1), at(claim("b", 9, 6), 2, 3)}, "no order"},
		{"granted-twice-at-once", []*Op{at(claim("a", 9, 5), 0, 3), at(claim("b", 9, 6), 1, 3)}, "no order"},
		{"refused-for-nothing", []*Op{at(refused("b"), 0, 1)}, "no order"},
		{"refused-for-who-comes", []*Op{at(refused("b"), 0, 1), at(claim("a", 9, 5), 0, 2)}, ""},

		{"lease-over", []*Op{at(claim("a", 1, 5), 0, 0.1), at(miss(), 0.9, 1)}, ""},
		{"lease-cut-short", []*Op{at(claim("a", 1, 5), 0, 0.1), at(miss(), 0.8, 0.99)}, "no order"},
		{"lease-is-the-grant's", []*Op{at(claim("a", 2, 5), 0, 1), at(waiting(claim("b", 2, 6)), 0, 3), at(miss(), 3.5, 3.9)}, "no order"},
		{"held-on", []*Op{at(claim("a", 1, 5), 0, 0.1), at(get("a", 5), 50, 51)}, ""},
		{"touched", []*Op{at(claim("a", 1, 5), 0, 0.1), at(touch(1, Done), 0.5, 0.6), at(miss(), 1.1, 1.4)}, "no order"},
		{"touched-too-late", []*Op{at(claim("a", 1, 5), 0, 0.1), at(touch(1, Absent), 0.5, 0.9)}, "no order"},

		{"withdrawn", []*Op{at(cutAt(waiting(claim("a", 9, 5)), 2), 0, 1), at(miss(), 3, 4)}, ""},
		{"withdrawn-before-cut", []*Op{at(cutAt(waiting(claim("a", 9, 5)), 2), 0, 1), at(miss(), 1.5, 1.9)}, "no order"},
		{"withdrawn-without-wait", []*Op{at(cutAt(claim("a", 9, 5), 2), 0, 1), at(miss(), 3, 4)}, "no order"},
		{"withdrawn-though-renewed", []*Op{
			at(cutAt(waiting(claim("a", 9, 5)), 2), 0, 1), at(swap(5, "a", 9), 3, 4), at(miss(), 5, 6),
		}, "no order"},

		{"unknown-claim", []*Op{at(unanswered(claim("a", 9, 0)), 0, forever), at(get("a", 7), 1, 2)}, ""},
		{"unknown-claim-not-done", []*Op{at(unanswered(claim("a", 9, 0)), 0, forever), at(claim("b", 9, 6), 1, 2)}, ""},
		{"unknown-claim-forgotten", []*Op{
			at(unanswered(claim("a", 9, 0)), 0, forever), at(get("a", 7), 1, 2), at(miss(), 3, 4),
		}, "no order"},
		{"unknown-claim-over", []*Op{at(unanswered(claim("a", 9, 0)), 0, 1), at(miss(), 2, 3), at(get("a", 7), 4, 5)}, "no order"},
		{"unknown-release", []*Op{at(claim("a", 9, 5), 0, 1), at(unanswered(del(Done)), 2, forever), at(miss(), 3, 4)}, ""},

		{"another's-token", []*Op{at(claim("a", 9, 5), 0, 1), at(remove(4, Differs), 2, 3)}, ""},
		{"own-token", []*Op{at(claim("a", 9, 5), 0, 1), at(remove(5, Differs), 2, 3)}, "no order"},
		{"old-token-released", []*Op{at(claim("a", 9, 5), 0, 1), at(swap(5, "a", 9), 2, 3), at(remove(5, Done), 4, 5)}, "no order"},
		{"token-changed-by-itself", []*Op{at(claim("a", 9, 5), 0, 1), at(get("a", 6), 2, 3)}, "no order"},
		{"value-changed-by-itself", []*Op{at(claim("a", 9, 5), 0, 1), at(get("b", 5), 2, 3)}, "no order"},
		{"token-learnt", []*Op{at(claim("a", 9, 0), 0, 1), at(get("a", 6), 2, 3), at(remove(6, Done), 4, 5)}, ""},
		{"token-fell", []*Op{at(claim("a", 9, 5), 0, 1), at(del(Done), 2, 3), at(claim("b", 9, 4), 4, 5)}, "is not above 5"},
		{"token-fell-across-keys", []*Op{at(claim("a", 9, 5), 0, 1), at(on("other", claim("b", 9, 4)), 2, 3)}, "is not above 5"},
		{"tokens-at-once", []*Op{at(claim("a", 9, 5), 0, 3), at(on("other", claim("b", 9, 4)), 2, 3)}, ""},
		{"token-twice", []*Op{at(claim("a", 9, 5), 0, 1), at(on("other", claim("b", 9, 5)), 2, 3)}, "is not above 5"},
	} {
		c := Checker{Patience: time.Minute}
		v := c.Check(test.ops)
		var got []string
		for _, f := range v.Findings {
			got = append(got, f.What)
		}
		all := strings.Join(got, "; ")
		if len(v.Undecided) > 0 || (all == "") != (test.want == "") || !strings.Contains(all, test.want) {
			t.Errorf("%s: found %q, want %q", test.name, all, test.want)
		}
	}
}

// In a cluster, the tokens of different keys have nothing to do with each other.
func TestTokensPerKey(t *testing.T) {
	for _, test := range []struct {
		key  string
		want int
	}{{"other", 0}, {"k", 1}} {
		c := Checker{Patience: time.Minute, PerKey: true}
		v := c.Check([]*Op{at(claim("a", 1, 5), 0, 0.5), at(on(test.key, claim("b", 9, 4)), 2, 3)})
		if len(v.Findings) < test.want || test.want == 0 && len(v.Findings) > 0 {
			t.Errorf("%s: %d findings, want %d", test.key, len(v.Findings), test.want)
		}
	}
}

// A second history goes on where the first one ended, as far as tokens go.
func TestTokensRiseFromHistoryToHistory(t *testing.T) {
	c := Checker{Patience: time.Minute}
	if v := c.Check([]*Op{at(claim("a", 9, 5), 0, 1)}); len(v.Findings) != 0 {
		t.Fatalf("first: %v", v.Findings)
	}
	if v := c.Check([]*Op{at(on("new", claim("b", 9, 5)), 2, 3)}); len(v.Findings) != 1 {
		t.Errorf("second: %d findings, want 1", len(v.Findings))
	}
}

func TestPictureShowsTheRequests(t *testing.T) {
	c := Checker{Patience: time.Minute}
	v := c.Check([]*Op{at(claim("alice", 9, 5), 0, 1), at(claim("bob", 9, 6), 2, 3)})
	if len(v.Findings) != 1 || !v.Findings[0].Drawable() {
		t.Fatalf("found %v", v.Findings)
	}
	var page strings.Builder
	if err := v.Findings[0].Draw(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "alice") {
		t.Error("alice is not shown")
	}
}

// Histories with too many requests of unknown outcome are left undecided, not passed.
func TestImpatienceIsNoVerdict(t *testing.T) {
	var ops []*Op
	for i := range 40 {
		ops = append(ops, at(unanswered(claim(fmt.Sprint(i), 1, 0)), 0, forever), at(unanswered(del(Done)), 0, forever))
	}
	ops = append(ops, at(get("nobody", 0), 1, 2))
	c := Checker{Patience: 10 * time.Millisecond}
	if v := c.Check(ops); len(v.Undecided) != 1 || len(v.Findings) != 0 {
		t.Errorf("got %d undecided and %d findings", len(v.Undecided), len(v.Findings))
	}
}
