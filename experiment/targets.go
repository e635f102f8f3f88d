package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// A target is what a policy promises. The worst law counts.
type target struct {
	policy  string
	load    string // "" is every load, ">=100" every load with so many clients
	against string // the policy whose result counts as 1; "" for plain numbers
	what    string
	of      func(*Summary) Number
	limit   float64
	least   bool // the limit is a lower bound
	smooth  bool // only for laws that are not bimodal or Pareto
}

// A verdict says whether a target was met.
type verdict struct {
	Policy   string `json:"policy"`
	Load     string `json:"load"`
	What     string `json:"what"`
	Limit    Number `json:"limit"`
	Least    bool   `json:"limit_is_least"`
	Measured Number `json:"measured"`
	Where    string `json:"worst_case"`
	Met      bool   `json:"met"`
}

func tries(s *Summary) Number   { return s.Tries }
func idle(s *Summary) Number    { return s.IdleMS }
func share(s *Summary) Number   { return s.InUse }
func waitP99(s *Summary) Number { return s.WaitP99MS }
func fair(s *Summary) Number    { return s.Jain }
func left(s *Summary) Number    { return Number(s.Waiting) }

// ofHold is the idle time divided by the mean hold.
func ofHold(s *Summary) Number { return s.IdleMS / Number(ms(DefaultMean)) }

// The targets are for a mean hold of 200 ms and a round trip of 0.5 ms.
var promised = slices.Concat(
	queuePromises,
	advicePromises("slots", 10, 0.30, 0.20, []ratio{
		{"b2", "exp100", 0.80, 1.00},
		{"b10", "exp100", 0.02, 0.85}, {"b10", "fulljit", 0.25, 1.00},
		{"b100", "exp100cap1s", 0.05, 0.20}, {"b100", "fulljit", 0.20, 1.00},
		{"p0.5", "exp100", 0.25, 1.00}, {"p0.5", "fulljit", 0.35, 0.90},
	}),
	[]target{
		{policy: "slots", load: "p0.9", what: "waiting at the end", of: left, limit: 100, smooth: true},
		{policy: "slots", load: "p0.9", what: "idle ms", of: idle, limit: 22, smooth: true},
		{policy: "slots", load: "c10", what: "p99 wait ms", of: waitP99, limit: 17_000},
		{policy: "slots", load: "c100", what: "p99 wait ms", of: waitP99, limit: 150_000},
		{policy: "slots", load: "c10", what: "in use", of: share, limit: 0.85, least: true},
		{policy: "slots", load: "c100", what: "in use", of: share, limit: 0.85, least: true},
		{policy: "slots", load: "c1000", what: "in use", of: share, limit: 0.85, least: true},
		{policy: "rank", load: "c10", what: "p99 wait ms", of: waitP99, limit: 6_000, smooth: true},
		{policy: "rank", load: "c100", what: "p99 wait ms", of: waitP99, limit: 40_000, smooth: true},
	},
	advicePromises("slots+park50", 9.5, 0.25, 0.12, []ratio{
		{"b2", "exp100", 0.60, 0.90},
		{"b10", "exp100", 0.01, 0.75}, {"b10", "fulljit", 0.20, 0.90},
		{"b100", "exp100cap1s", 0.03, 0.20}, {"b100", "fulljit", 0.12, 1.00},
		{"p0.5", "exp100", 0.15, 0.85}, {"p0.5", "fulljit", 0.22, 0.75},
	}),
	[]target{
		{policy: "slots+park50", load: "p0.9", what: "idle ms", of: idle, limit: 13},
		{policy: "slots+park50", load: "c10", what: "p99 wait ms", of: waitP99, limit: 16_000},
		{policy: "slots+park50", load: "c100", what: "p99 wait ms", of: waitP99, limit: 160_000},
		{policy: "slots+park50", load: "c10", what: "in use", of: share, limit: 0.93, least: true},
		{policy: "slots+park50", load: "c100", what: "in use", of: share, limit: 0.93, least: true},
		{policy: "slots+park50", load: "c1000", what: "in use", of: share, limit: 0.93, least: true},
	},
)

// promisedLive is what must hold on a real network, with real timers.
var promisedLive = []target{
	{policy: "queue", what: "idle ms", of: idle, limit: 1},
	{policy: "slots", load: "b10", against: "fulljit", what: "idle", of: idle, limit: 0.25},
	{policy: "slots", load: "b10", against: "fulljit", what: "tries", of: tries, limit: 1},
	{policy: "slots+park50", load: "b10", against: "fulljit", what: "idle", of: idle, limit: 0.25},
	{policy: "slots+park50", load: "b10", against: "fulljit", what: "tries", of: tries, limit: 1},
}

var queuePromises = []target{
	{policy: "queue", what: "tries", of: tries, limit: 1.02},
	{policy: "queue", what: "idle ms", of: idle, limit: 1.5},
	{policy: "queue", load: "b2", against: "exp100", what: "idle", of: idle, limit: 0.02},
	{policy: "queue", load: "b10", against: "exp100", what: "idle", of: idle, limit: 0.01},
	{policy: "queue", load: "b100", against: "exp100cap1s", what: "idle", of: idle, limit: 0.01},
	{policy: "queue", load: "p0.5", against: "exp100", what: "idle", of: idle, limit: 0.01},
	{policy: "queue", load: "p0.9", against: "oracle", what: "p99 wait", of: waitP99, limit: 1.10},
	{policy: "queue", load: "c10", against: "oracle", what: "p99 wait", of: waitP99, limit: 1.10},
	{policy: "queue", load: "c100", against: "oracle", what: "p99 wait", of: waitP99, limit: 1.10},
	{policy: "queue", load: "c10", what: "fairness", of: fair, limit: 0.99, least: true},
	{policy: "queue", load: "c100", what: "fairness", of: fair, limit: 0.99, least: true},
	{policy: "queue", load: "c10", what: "in use", of: share, limit: 0.99, least: true},
	{policy: "queue", load: "c100", what: "in use", of: share, limit: 0.99, least: true},
}

// A ratio promises at most so much of another policy's idle time and tries.
type ratio struct {
	load, against string
	idle, tries   float64
}

// advicePromises returns what advice promises, with or without parking.
func advicePromises(policy string, most, idlest, crowded float64, ratios []ratio) []target {
	list := []target{
		{policy: policy, what: "tries", of: tries, limit: most},
		{policy: policy, what: "idle / mean hold", of: ofHold, limit: idlest},
		{policy: policy, load: ">=100", what: "idle / mean hold", of: ofHold, limit: crowded},
		{policy: policy, load: "c10", what: "fairness", of: fair, limit: 0.99, least: true},
		{policy: policy, load: "c100", what: "fairness", of: fair, limit: 0.98, least: true},
	}
	for _, r := range ratios {
		list = append(list, r.promisedBy(policy)...)
	}
	return list
}

func (r *ratio) promisedBy(policy string) []target {
	return []target{
		{policy: policy, load: r.load, against: r.against, what: "idle", of: idle, limit: r.idle},
		{policy: policy, load: r.load, against: r.against, what: "tries", of: tries, limit: r.tries},
	}
}

// enough is how many acquisitions it takes for chance not to matter.
const enough = 10_000

// judgeAll judges the targets that the run has lines for.
func (r *results) judgeAll(ctx context.Context) []verdict {
	switch c := &r.config; {
	case !r.standard() || c.Cold:
		return nil
	case c.Simulate && c.Dying > 0 && c.Acquisitions >= enough:
		return r.judgeEach(dyingPromised)
	case c.Dying > 0:
		return nil
	case c.Simulate && c.Acquisitions >= enough:
		return slices.Concat(r.judgeEach(promised), judgeExample(c.Seed), r.judgeJump(ctx))
	case !c.Simulate && c.Duration >= liveDuration:
		return r.judgeEach(promisedLive)
	}
	return nil
}

func (r *results) judgeEach(targets []target) []verdict {
	var list []verdict
	for i := range targets {
		if v, ok := r.judge(&targets[i]); ok {
			list = append(list, v)
		}
	}
	return list
}

// judgeExample judges the article's own example.
func judgeExample(seed uint64) []verdict {
	limits := map[string]struct{ further, idle float64 }{"slots": {1.6, 62}, "rank": {2, 48}, "queue": {0, 1.5}}
	var list []verdict
	for _, row := range exampleRows(seed) {
		limit, ok := limits[row.policy]
		if !ok {
			continue
		}
		list = append(list, atMost(row.policy, "example", "further tries", row.further, limit.further),
			atMost(row.policy, "example", "idle ms", row.idleMS, limit.idle))
	}
	return list
}

// judgeJump judges the tries after a sudden change of the hold time.
func (r *results) judgeJump(ctx context.Context) []verdict {
	var worst, settled verdict
	for _, law := range r.config.Laws {
		j, err := jumpTenfold(ctx, law, r.config.Seed)
		if err != nil {
			return nil // interrupted
		}
		v := atMost("slots", "c10", "tries in the 50 after holds grew x10", j.next50, 16)
		if v.Where = law.Name; v.Measured > worst.Measured {
			worst = v
		}
		v = atMost("slots", "c10", "tries 1000 later / before", j.settled/j.before, 1.25)
		if v.Where = law.Name; v.Measured > settled.Measured {
			settled = v
		}
	}
	return []verdict{worst, settled}
}

func atMost(policy, load, what string, measured, limit float64) verdict {
	return verdict{Policy: policy, Load: load, What: what, Limit: Number(limit), Measured: Number(measured),
		Where: "normal", Met: measured <= limit}
}

// standard reports whether hold times are those that the targets were made for.
func (r *results) standard() bool {
	return !slices.ContainsFunc(r.config.Laws, func(l Law) bool {
		return l.unit != DefaultMean || TakesStddev(l.Name) && l.Stddev != DefaultStddev
	})
}

// judge finds the worst case of a target; false if there is none in this run.
func (r *results) judge(t *target) (verdict, bool) {
	v := verdict{Policy: t.policy, Load: t.load, What: t.what, Limit: Number(t.limit), Least: t.least, Measured: nan()}
	if t.against != "" {
		v.What += " / " + t.against
	}
	for i := range r.lines {
		s := &r.lines[i]
		if !t.concerns(s) {
			continue
		}
		n := t.of(s)
		if t.against != "" {
			n /= r.find(s.Law, s.Load, t.against, t.of)
		}
		if n.known() && (!v.Measured.known() || t.worse(n, v.Measured)) {
			v.Measured, v.Where = n, s.Law+" "+s.Load
		}
	}
	v.Met = !t.worse(v.Measured, v.Limit)
	return v, v.Measured.known()
}

func (t *target) worse(a, b Number) bool {
	if t.least {
		return a < b
	}
	return a > b
}

func (t *target) concerns(s *Summary) bool {
	if s.Policy != t.policy || t.smooth && (s.Law == "bimodal" || s.Law == "pareto") {
		return false
	}
	if t.load == ">=100" {
		load, err := ParseLoad(s.Load)
		return err == nil && load.Clients >= 100
	}
	return t.load == "" || t.load == s.Load
}

// find returns a number of another policy in the same place; NaN if it was not run.
func (r *results) find(law, load, policy string, of func(*Summary) Number) Number {
	for i := range r.lines {
		if s := &r.lines[i]; s.Law == law && s.Load == load && s.Policy == policy {
			return of(s)
		}
	}
	return nan()
}

func nan() Number { return Number(math.NaN()) }

// printTargets writes the verdicts for a reader.
func (r *results) printTargets(w io.Writer) {
	list := r.targets
	if len(list) == 0 {
		return
	}
	met := 0
	fmt.Fprintln(w, "\nTargets (the worst of all laws counts)")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range list {
		sign, word := "<=", "missed"
		if v.Least {
			sign = ">="
		}
		if v.Met {
			word = "met"
			met++
		}
		load := v.Load
		if load == "" {
			load = "any"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t%s\t%s\t%s\n", v.Policy, load, v.What, sign, v.Limit.text(), v.Measured.text(), v.Where, word)
	}
	t.Flush()
	fmt.Fprintf(w, "%d of %d met\n", met, len(list))
}
