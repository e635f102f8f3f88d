//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// ops makes a log of lines: what happened, by whom, from and to when in ms, and a value.
func ops(l *fillLog, lines ...string) *fillLog {
	kinds := map[string]fillOpKind{"get": got, "set": stored, "delete": deleted, "leave": left}
	for _, line := range lines {
		w := strings.Fields(line + " ")
		ms := func(text string) time.Duration {
			d, _ := time.ParseDuration(text + "ms")
			return d
		}
		op := &fillOp{kind: kinds[w[0]], by: w[1], sent: ms(w[2]), told: ms(w[3])}
		if len(w) > 4 {
			op.value = w[4]
		}
		l.ops = append(l.ops, op)
	}
	return l
}

// TestFillBugsAreFound judges what clients of servers with bugs would see.
func TestFillBugsAreFound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  fillKind
		lines []string
		want  string // of the finding; "" for none
	}{
		{"none", fillKinds[0], []string{"get a 0 1", "get b 2 40 v", "set a 30 35 v", "get c 50 51 v", "get c 1040 1041"}, ""},
		{"lives too long", fillKinds[0], []string{"get a 0 1", "set a 30 35 v", "get b 1040 1041 v"}, "too long after"},
		{"served stale", fillKinds[1], []string{"get a 0 1", "set a 30 35 v", "get b 1040 1041 v"}, ""},
		{"before it was stored", fillKinds[0], []string{"get b 2 10 v", "set a 30 35 v"}, "before set"},
		{"from nowhere", fillKinds[0], []string{"get b 2 10 v"}, "nobody has stored"},
		{"outlives a delete", fillKinds[0], []string{"set a 30 35 v", "delete b 40 41", "get c 42 43 v"}, "the value is from"},
		{"older than a delete", fillKinds[0], []string{"get a 0 1", "delete b 5 6", "set a 30 35 v", "get c 42 43 v"}, "computed since"},
		{"held during that", fillKinds[0], []string{"get a 0 1", "delete b 5 6", "get c 10 36 v", "set a 30 35 v"}, ""},
		{"is told a miss", fillKinds[0], []string{"get a 0 1", "set a 30 35 v", "get b 40 50"}, "although there was"},
		{"early", fillKinds[2], []string{"get a 0 1", "set a 30 35 v", "get b 40 50"}, ""},
		{"late, so a miss", fillKinds[0], []string{"get a 0 1", "delete c 5 6", "set a 30 35 v", "get b 40 50"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := ops(&fillLog{fillKind: tt.kind, key: "k"}, tt.lines...).history()
			var o outcome
			for _, op := range h.ops {
				if op.kind == got {
					h.judgeGet(op, &o)
				}
			}
			switch {
			case tt.want == "" && len(o.Findings) > 0:
				t.Error(o.Findings[0].What)
			case tt.want != "" && (len(o.Findings) != 1 || !strings.Contains(o.Findings[0].What, tt.want)):
				t.Errorf("found %v, want %q", o.Findings, tt.want)
			}
		})
	}
}

// TestTwoFillersAreFound judges who was told to compute.
func TestTwoFillersAreFound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  int
	}{
		{"together", []string{"get a 0 1", "get b 2 3"}, 1},
		{"its time was over", []string{"get a 0 1", "get b 2 11"}, 0},
		{"it has stored", []string{"get a 0 1", "set a 2 3 v", "get b 4 5"}, 0},
		{"it has hung up", []string{"get a 0 1", "leave a 2 3", "get b 3 4"}, 0},
		{"another one has hung up", []string{"get a 0 1", "leave c 2 3", "get b 3 4"}, 1},
		{"itself again", []string{"get a 0 1", "get a 2 3"}, 0},
		{"again, and its time was over", []string{"get a 0 1", "get a 8 9", "get b 10 11"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if pairs := ops(new(fillLog), tt.lines...).history().together(); len(pairs) != tt.want {
				t.Errorf("%d pairs: %v", len(pairs), pairs)
			}
		})
	}
}
