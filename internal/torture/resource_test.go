//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// In these stories a lease is from one second to another, and what happens, happens
// when it begins.
func TestResource(t *testing.T) {
	for _, test := range []struct {
		name  string
		story func(r *resource)
		want  string // what is said to be broken; "" if nothing is
	}{
		{"in-turn", func(r *resource) { hold(r, 1, 5, 0, 1); hold(r, 2, 6, 1, 2) }, ""},
		{"renewed", func(r *resource) { hold(r, 1, 5, 0, 2); hold(r, 1, 5, 1, 3); hold(r, 2, 6, 3, 4) }, ""},
		{"released", func(r *resource) { hold(r, 1, 5, 0, 9); r.leave("k", 5, time.Second); hold(r, 2, 6, 1, 2) }, ""},
		{"too-early", func(r *resource) { hold(r, 1, 5, 0, 3); hold(r, 2, 6, 2, 4) }, "1s before the end of worker 1's lease"},
		{"late-release-of-another", func(r *resource) {
			hold(r, 1, 5, 0, 1)
			hold(r, 2, 6, 1, 9)
			r.leave("k", 5, 2*time.Second)
			hold(r, 3, 7, 3, 4)
		}, "before the end of worker 2's lease"},
		{"token-fell", func(r *resource) { hold(r, 1, 5, 0, 1); hold(r, 2, 4, 1, 2) }, "with token 4, after worker 1 with token 5"},
		{"same-token", func(r *resource) { hold(r, 1, 5, 0, 1); hold(r, 2, 5, 1, 2) }, "have the same token 5"},
		{"woke-too-late", func(r *resource) {
			hold(r, 2, 6, 2, 3)
			r.enter("k", 5, 1, 0, time.Second, 2*time.Second)
		}, ""},
	} {
		r := newResource()
		test.story(r)
		got := strings.Join(r.broken, "; ")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func hold(r *resource, who int, token uint64, from, until int) bool {
	start := time.Duration(from) * time.Second
	return r.enter("k", token, who, start, time.Duration(until)*time.Second, start)
}

func TestOldTokensWriteNothing(t *testing.T) {
	r := newResource()
	hold(r, 1, 5, 0, 1)
	if r.answer("write k 5") != good {
		t.Error("the holder's write was refused")
	}
	hold(r, 2, 6, 1, 2)
	if r.answer("write k 5") != stale || r.answer("write k 6") != good {
		t.Error("the wrong one may write")
	}
	if r.accepted != 2 || r.refused != 1 || r.holds != 2 || r.writer() != 2 {
		t.Errorf("counted %d writes, %d refusals, %d holds, last by %d", r.accepted, r.refused, r.holds, r.writer())
	}
}
