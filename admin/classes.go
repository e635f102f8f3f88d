package admin

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// listClasses answers GET /api/v1/classes: the classes that have metrics of their own, and the sum of
// all others.
func (a *api) listClasses(w http.ResponseWriter, r *http.Request) {
	a.shared(w, r, "classes", func() any {
		return struct {
			Classes []classDocument `json:"classes"`
		}{a.classes()}
	})
}

// A classDocument is a class in the answer to GET /api/v1/classes.
type classDocument struct {
	Stats  stats.Object `json:"class"`
	Advice []string     `json:"advice"`
}

func (a *api) classes() []classDocument {
	now := time.Now()
	all := a.Locks.Metrics()
	before, elapsed := a.rates.since(all, now)
	list := []classDocument{}
	for i := range all {
		c := &all[i]
		if c.Name == locks.OtherClasses && c.Count(stats.Acquired)+c.Count(stats.Refused) == 0 {
			continue
		}
		s := sight{ClassMetrics: c, before: before[c.Name], elapsed: elapsed}
		if c.Name != locks.OtherClasses {
			s.known = a.Server.ClassFields(c.Name)
		}
		list = append(list, classDocument{s.fields(), s.advice()})
	}
	return list
}

// A sight is what is seen of a class.
type sight struct {
	*locks.ClassMetrics
	known   []stats.Field  // what "stats class" says
	before  stats.Counters // some time ago
	elapsed time.Duration  // since then; 0 if that is not known
}

// perSecond is how often something has happened lately.
func (s *sight) perSecond(what stats.Counter) float64 {
	if s.elapsed == 0 || s.Count(what) < s.before.Count(what) {
		return 0
	}
	return float64(s.Count(what)-s.before.Count(what)) / s.elapsed.Seconds()
}

// tries is how many claims there were for each grant.
func (s *sight) tries() float64 {
	if s.Count(stats.Acquired) == 0 {
		return 0
	}
	tried := s.Count(stats.Acquired) + s.Count(stats.Refused) + s.Count(stats.WaitTimeouts)
	return float64(tried) / float64(s.Count(stats.Acquired))
}

func (s *sight) fields() stats.Object {
	f := stats.Object{
		{Name: "class", Text: s.Name},
		stats.CountField("held", uint64(s.Held)),
		stats.CountField("queued", uint64(s.Queued)),
		stats.CountField("polling", uint64(s.Polling)),
		stats.MsField("oldest_ms", float64(s.Oldest)),
		{Name: "tries_per_acquisition", Text: number(s.tries())},
		{Name: "idle_percent", Text: number(100 * s.idle())},
	}
	if s.elapsed > 0 {
		for _, what := range []stats.Counter{stats.Acquired, stats.Refused, stats.Expired, stats.HandedOff} {
			f = append(f, stats.Field{Name: what.String() + "_per_s", Text: number(s.perSecond(what))})
		}
	}
	if s.known != nil {
		return append(f, s.known...)
	}
	return append(f, s.Counters.Fields()...)
}

// number writes a number with three significant digits or more.
func number(x float64) string {
	digits := 2 - int(math.Floor(math.Log10(math.Max(x, 0.01))))
	return strconv.FormatFloat(x, 'f', max(0, digits), 64)
}

// rates remember what was counted some time ago.
type rates struct {
	mu           sync.Mutex // guards what follows
	older, newer map[string]stats.Counters
	olderAt      time.Time
	newerAt      time.Time
}

const (
	rateOver  = time.Second      // at least
	rateStale = 30 * time.Second // nobody has looked for so long
)

// since returns what was counted a second ago or a little more, and how long ago that was: 0 if nobody
// has looked lately.
func (r *rates) since(all []locks.ClassMetrics, now time.Time) (before map[string]stats.Counters, elapsed time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.newerAt) > rateStale {
		r.older, r.newer = nil, nil
	}
	if r.newer == nil || now.Sub(r.newerAt) >= rateOver {
		r.older, r.olderAt = r.newer, r.newerAt
		r.newer, r.newerAt = make(map[string]stats.Counters, len(all)), now
		for i := range all {
			r.newer[all[i].Name] = all[i].Counters
		}
	}
	if r.older == nil {
		return nil, 0
	}
	return r.older, now.Sub(r.olderAt)
}
