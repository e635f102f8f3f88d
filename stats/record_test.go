package stats

import (
	"strings"
	"testing"
	"time"
)

func TestAppendMs(t *testing.T) {
	for _, tt := range []struct {
		ns   float64
		want string
	}{
		{0, "0"},
		{1, "0"},
		{1e3, "0.001"},
		{123e3, "0.123"},
		{550e6, "550"},
		{550.1e6, "550.1"},
		{550.123456e6, "550.123"},
		{999.9999e6, "1000"},
		{1e11, "100000"},
		{float64(1<<63 - 1), "9223372036854.775"},
	} {
		if got := string(AppendMs([]byte("10"), tt.ns)); got != "10"+tt.want {
			t.Errorf("AppendMs(%v) appends %q, want %q", tt.ns, got[2:], tt.want)
		}
	}
}

func TestRecordFields(t *testing.T) {
	r := Record{
		Hold:     momentsOf(1500*time.Microsecond, 1500*time.Microsecond),
		Censored: momentsOf(30 * time.Second),
		Wait:     momentsOf(20 * time.Millisecond),
		Gap:      momentsOf(0),
		Counters: Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
	}
	const want = "hold_count=2 hold_mean_ms=1.5 hold_stddev_ms=0 hold_p50_ms=0 hold_p90_ms=0 hold_p99_ms=0 hold_min_ms=1.5 hold_max_ms=1.5" +
		" censored_count=1 censored_max_ms=30000" +
		" wait_count=1 wait_mean_ms=20 wait_stddev_ms=0 wait_p50_ms=0 wait_p99_ms=0 wait_min_ms=20 wait_max_ms=20" +
		" gap_mean_ms=0 acquired=1 refused=2 handed_off=3 released=4 expired=5" +
		" renewed=6 wait_timeouts=7 withdrawn=8 overrun=9 deadlocks=10"
	if got := line(r.Fields()); got != want {
		t.Errorf("fields are\n%s, want\n%s", got, want)
	}
}

// The fields of a class are those of a lock, even if nothing was observed.
func TestRecordFieldsOfNothing(t *testing.T) {
	for _, f := range new(Record).Fields() {
		if f.Text != "0" {
			t.Errorf("%s is %s before anything happened", f.Name, f.Text)
		}
	}
}

func TestRecordQuantiles(t *testing.T) {
	r := Record{HoldLaw: new(Histogram), WaitLaw: new(Histogram)}
	for i := range 100 {
		x := time.Duration(i+1) * time.Millisecond
		r.Hold.Add(x)
		r.HoldLaw.Add(x)
		r.Wait.Add(x / 10)
		r.WaitLaw.Add(x / 10)
	}
	got := make(map[string]string)
	for _, f := range r.Fields() {
		got[f.Name] = f.Text
	}
	// Later holds weigh more, so the median is above the middle; the 99th percentile is
	// in the bucket of the longest, and not longer.
	for name, want := range map[string]string{
		"hold_p50_ms": "56.32", "hold_p90_ms": "92.16", "hold_p99_ms": "100",
		"wait_p50_ms": "5.76", "wait_p99_ms": "9.984",
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}

func TestRecordCloneSharesNothing(t *testing.T) {
	live := Record{HoldLaw: new(Histogram)}
	live.HoldLaw.Add(time.Second)
	c := live.Clone()
	for range 100 {
		live.HoldLaw.Add(time.Millisecond)
	}
	if c.HoldLaw.Count() != 1 || c.HoldLaw.Quantile(0.5) < 900*time.Millisecond || c.WaitLaw != nil {
		t.Errorf("the copy went on: %d, %v", c.HoldLaw.Count(), c.HoldLaw.Quantile(0.5))
	}

	var sum Record
	for range 3 {
		sum.Merge(&c)
	}
	sum.Merge(&Record{})
	if sum.HoldLaw.Count() != 3 || c.HoldLaw.Count() != 1 || sum.WaitLaw != nil {
		t.Errorf("the sum of three has %d, and one of them %d", sum.HoldLaw.Count(), c.HoldLaw.Count())
	}
}

func line(fields []Field) string {
	var pairs []string
	for _, f := range fields {
		pairs = append(pairs, f.Name+"="+f.Text)
	}
	return strings.Join(pairs, " ")
}

// Every counter is merged, including any that may be added.
func TestCountersMergeAddsEveryCount(t *testing.T) {
	var a, b Counters
	for i := range a {
		a[i], b[i] = uint64(i), uint64(100*i)
	}
	a.Merge(&b)
	for i, n := range a {
		if n != uint64(101*i) {
			t.Errorf("%v: %d", Counter(i), n)
		}
	}
}

func TestRecordMerge(t *testing.T) {
	a := Record{Hold: momentsOf(1), Wait: momentsOf(2), Counters: Counters{Acquired: 1}}
	b := Record{Hold: momentsOf(3), Censored: momentsOf(4), Gap: momentsOf(5), Counters: Counters{Expired: 1}}
	a.Merge(&b)
	if a.Hold.Count() != 2 || a.Hold.Max() != 3 || a.Censored.Count() != 1 || a.Wait.Count() != 1 || a.Gap.Count() != 1 {
		t.Errorf("moments were lost: %+v", a)
	}
	if a.Counters != (Counters{Acquired: 1, Expired: 1}) {
		t.Errorf("counters were lost: %+v", a.Counters)
	}
}
