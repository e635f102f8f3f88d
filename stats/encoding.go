package stats

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Record is encoded as JSON where it has to outlive the process: what a later version
// adds is then missing rather than misread. The time when it last faded is left out, since
// it is on the clock of a process that has ended: see Resume.

var errEncoding = errors.New("stats: no such observations")

// Resume lets the past of a decoded Record fade from now on. The time since it was encoded
// is not counted.
func (r *Record) Resume(now time.Duration) { r.aged = now }

type recordJSON struct {
	Hold, Censored, Wait, Gap Moments
	HoldLaw, WaitLaw          *Histogram
}

// MarshalJSON encodes all that is known, the counts by name.
func (r Record) MarshalJSON() ([]byte, error) {
	type moments struct{ Hold, Censored, Wait, Gap Moments }
	type laws struct{ HoldLaw, WaitLaw *Histogram }
	counts := []byte{'{'}
	for i, n := range r.Counters {
		if n == 0 && Counter(i) == LateReleases { // most servers refuse none
			continue
		}
		counts = strconv.AppendQuote(append(counts, ','), Counter(i).key())
		counts = strconv.AppendUint(append(counts, ':'), n, 10)
	}
	first, err := json.Marshal(moments{r.Hold, r.Censored, r.Wait, r.Gap})
	if err != nil {
		return nil, err
	}
	last, err := json.Marshal(laws{r.HoldLaw, r.WaitLaw})
	if err != nil {
		return nil, err
	}
	object := append(first[:len(first)-1], counts[1:]...)
	return append(append(object, ','), last[1:]...), nil
}

// UnmarshalJSON is the reverse of MarshalJSON. Counts that are missing are 0.
func (r *Record) UnmarshalJSON(data []byte) error {
	var j recordJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*r = Record{Hold: j.Hold, Censored: j.Censored, Wait: j.Wait, Gap: j.Gap, HoldLaw: j.HoldLaw, WaitLaw: j.WaitLaw}
	for i := range r.Counters {
		n, known := fields[Counter(i).key()]
		if !known {
			continue
		}
		if err := json.Unmarshal(n, &r.Counters[i]); err != nil {
			return err
		}
	}
	return nil
}

// key is the counter's name in the encoding: handed_off is HandedOff.
func (c Counter) key() string {
	var name strings.Builder
	for word := range strings.SplitSeq(c.String(), "_") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

type momentsJSON struct {
	Count                     uint64
	Weight, Weight2, Mean, M2 float64
	Min, Max                  time.Duration
}

// MarshalJSON encodes all that was observed.
func (m Moments) MarshalJSON() ([]byte, error) {
	return json.Marshal(momentsJSON{m.count, m.weight, m.weight2, m.mean, m.m2, m.min, m.max})
}

// UnmarshalJSON is the reverse of MarshalJSON. It refuses numbers that no observations lead
// to.
func (m *Moments) UnmarshalJSON(data []byte) error {
	var j momentsJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if j.Weight < 0 || j.Weight2 < 0 || j.M2 < 0 || j.Min > j.Max || (j.Count == 0) != (j.Weight == 0) {
		return errEncoding
	}
	*m = Moments{j.Count, j.Weight, j.Weight2, j.Mean, j.M2, j.Min, j.Max}
	return nil
}

type histogramJSON struct {
	Count              uint64
	Unit               float64
	Released, Censored countsJSON
}

type countsJSON struct {
	From int
	N    []float32
}

// MarshalJSON encodes all that was observed.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	return json.Marshal(histogramJSON{
		Count:    h.count,
		Unit:     h.unit,
		Released: countsJSON{h.released.from, h.released.n},
		Censored: countsJSON{h.censored.from, h.censored.n},
	})
}

// UnmarshalJSON is the reverse of MarshalJSON. It refuses numbers that no observations lead
// to.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	released, ok1 := j.Released.counts()
	censored, ok2 := j.Censored.counts()
	if !ok1 || !ok2 || j.Unit < 0 || j.Unit > largestUnit {
		return errEncoding
	}
	*h = Histogram{released: released, censored: censored, count: j.Count, unit: j.Unit}
	h.total = released.sum() + censored.sum()
	return nil
}

// counts reports false unless they are valid: whole octaves within the buckets, of numbers
// that are not negative.
func (j countsJSON) counts() (c counts, ok bool) {
	if j.From < 0 || j.From > buckets-len(j.N) || j.From%perOctave != 0 || len(j.N)%perOctave != 0 {
		return c, false
	}
	negative := slices.ContainsFunc(j.N, func(n float32) bool { return n < 0 })
	return counts{j.From, j.N}, !negative
}

func (c *counts) sum() (sum float64) {
	for _, n := range c.n {
		sum += float64(n)
	}
	return sum
}
