package main

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// A Summary is a line of the report: the results of one policy under one load with
// one law of hold times. Times are in milliseconds, of real or virtual time; a number
// that does not apply is NaN.
type Summary struct {
	Mode         string `json:"mode"` // simulated or live
	Law          string `json:"law"`
	Load         string `json:"load"`
	Policy       string `json:"policy"`
	Acquisitions int    `json:"acquisitions"`
	Tries        Number `json:"tries_per_acquisition"` // including those of clients that were not served
	IdleMS       Number `json:"idle_ms"`               // per acquisition
	InUse        Number `json:"in_use"`                // share of the time in which the lock was in use or wanted
	TriesP50     Number `json:"tries_p50"`
	TriesP99     Number `json:"tries_p99"`
	IdleP50      Number `json:"idle_p50_ms"`
	IdleP99      Number `json:"idle_p99_ms"`
	WaitMeanMS   Number `json:"wait_mean_ms"`
	WaitP50MS    Number `json:"wait_p50_ms"`
	WaitP99MS    Number `json:"wait_p99_ms"`
	WaitMaxMS    Number `json:"wait_max_ms"`
	Jain         Number `json:"jain"` // fairness of shares in a closed loop
	PerSecond    Number `json:"acquisitions_per_second"`
	Waiting      int    `json:"not_served"` // clients that had to give up at the end
	Seconds      Number `json:"seconds"`    // measured

	Dead          Number `json:"dead"`                // share of the time in which the holder had died and its lease went on
	AfterDeathMS  Number `json:"idle_after_death_ms"` // mean idle time after such a lease
	AfterDeathP99 Number `json:"idle_after_death_p99_ms"`
}

// A Number is written in JSON with four digits, and as null if it is NaN or infinite.
type Number float64

func (n Number) MarshalJSON() ([]byte, error) {
	if !n.known() {
		return []byte("null"), nil
	}
	return []byte(n.text()), nil
}

func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

func (n Number) known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// text is the number with four digits, as many as a measurement has; "" for NaN or infinity.
func (n Number) text() string {
	if !n.known() {
		return ""
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(float64(n), 'e', 3, 64), 64)
	return strconv.FormatFloat(short, 'f', -1, 64)
}

// summarise makes a line of what was counted.
func (l *ledger) summarise(load Load) Summary {
	n := float64(len(l.acquired))
	s := Summary{
		Load:         load.String(),
		Acquisitions: len(l.acquired),
		Tries:        Number(float64(l.tries) / n),
		IdleMS:       Number(ms(l.idle) / n),
		InUse:        Number(float64(l.inUse) / float64(l.inUse+l.idle)),
		Jain:         Number(math.NaN()),
		PerSecond:    Number(n / l.until.Seconds()),
		Seconds:      Number(l.until.Seconds()),
		Dead:         Number(float64(l.dead) / float64(l.inUse+l.idle+l.dead)),
	}
	if load.Kind == closed {
		s.Jain = jain(l.grants, load.Clients)
	} else {
		s.Waiting = l.left
	}
	tries, waits, idles := l.samples()
	s.TriesP50, s.TriesP99 = quantile(tries, 0.5), quantile(tries, 0.99)
	s.IdleP50, s.IdleP99 = quantile(idles, 0.5), quantile(idles, 0.99)
	s.WaitMeanMS, s.WaitMaxMS = mean(waits), quantile(waits, 1)
	s.WaitP50MS, s.WaitP99MS = quantile(waits, 0.5), quantile(waits, 0.99)
	orphaned := sorted(l.afterDeath)
	s.AfterDeathMS, s.AfterDeathP99 = mean(orphaned), quantile(orphaned, 0.99)
	return s
}

// samples returns the numbers behind the summary, each list sorted.
func (l *ledger) samples() (tries, waits, idles []float64) {
	for _, a := range l.acquired {
		tries = append(tries, float64(a.tries))
		waits = append(waits, ms(a.wait))
		idles = append(idles, ms(a.idle))
	}
	slices.Sort(tries)
	slices.Sort(waits)
	slices.Sort(idles)
	return tries, waits, idles
}

// sorted returns times in milliseconds, the shortest first.
func sorted(times []time.Duration) []float64 {
	var list []float64
	for _, t := range times {
		list = append(list, ms(t))
	}
	slices.Sort(list)
	return list
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns a quantile of sorted values, interpolated; NaN if there are none.
func quantile(sorted []float64, q float64) Number {
	if len(sorted) == 0 {
		return Number(math.NaN())
	}
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return Number(sorted[below] + (at-float64(below))*(sorted[above]-sorted[below]))
}

func mean(values []float64) Number {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return Number(sum / float64(len(values)))
}

// jain is R. Jain's index of fairness among n clients: 1 if all have the same,
// 1/n if one has everything.
func jain(shares []int, n int) Number {
	var sum, squares float64
	for _, share := range shares {
		sum += float64(share)
		squares += float64(share) * float64(share)
	}
	return Number(sum * sum / (float64(n) * squares))
}
