package main

import (
	"fmt"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// curvePolicies are the policies whose distributions are shown; the curves of all
// policies could not be told apart.
var curvePolicies = []string{"exp100", "exp100cap1s", "fulljit", "linear100", "slots", "slots+park50", "queue"}

// A curve is the share of the acquisitions for which a number was at most x.
type curve struct {
	policy string
	sorted []float64
}

// curves returns the distributions that the article promised.
func (r *results) curves() []picture {
	var tries, waits, idles []curve
	for _, name := range curvePolicies {
		if l := r.shown[name]; l != nil && len(l.acquired) > 0 {
			t, w, i := l.samples()
			tries = append(tries, curve{name, t})
			waits = append(waits, curve{name, w})
			idles = append(idles, curve{name, i})
		}
	}
	if len(tries) == 0 {
		return nil
	}
	subtitle := r.subtitle()
	return []picture{
		distribution("tries", "Tries until the lock was had", subtitle, "tries (log scale)", tries),
		distribution("waits", "Time from wanting the lock to having it", subtitle, "wait in ms (log scale)", waits),
		distribution("idle", "Time the lock stood unlocked though somebody wanted it", subtitle,
			"idle time before an acquisition in ms (log scale)", idles),
	}
}

// subtitle says what the pictures show.
func (r *results) subtitle() string {
	at := r.picturePlace()
	load, err := ParseLoad(at.load)
	if err != nil {
		return at.load
	}
	mode := "live"
	if r.config.Simulate {
		mode = "simulated"
	}
	return fmt.Sprintf("%s; holds %s; %s", load.Title(), r.config.Laws[0].Title, mode)
}

func distribution(name, title, subtitle, x string, curves []curve) picture {
	p := newPlot()
	p.Add(plotter.NewGrid())
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Tick.Marker = percents{}
	legend := newLegend()
	least, most := span(curves)
	lines := make([]*plotter.Line, len(curves))
	for i, c := range curves {
		lines[i] = &plotter.Line{XYs: c.points(least, most), LineStyle: lookOf(c.policy).line}
		legend.Add(c.policy, lines[i])
	}
	for _, line := range slices.Backward(lines) { // broad lines below narrow ones
		p.Add(line)
	}
	p.X.Min, p.X.Max = least, most
	p.Y.Min, p.Y.Max = 0, 1
	ch := &chart{Plot: p, title: title, subtitle: subtitle, x: x, y: "share of acquisitions", legend: &legend}
	return picture{name: name, width: 19 * vg.Centimeter, height: 11 * vg.Centimeter, draw: ch.draw}
}

// span returns the range of the axis. A number below 0.1, such as a tenth of a
// millisecond, counts as 0.1.
func span(curves []curve) (least, most float64) {
	const tiny = 0.1
	least, most = max(curves[0].sorted[0], tiny), tiny*10
	for _, c := range curves {
		least = min(least, max(c.sorted[0], tiny))
		most = max(most, c.sorted[len(c.sorted)-1])
	}
	return least * 0.9, most * 1.1
}

// points are the steps of the curve, thinned out to what can be seen.
func (c *curve) points(least, most float64) plotter.XYs {
	const visible = 200
	n := len(c.sorted)
	xys := plotter.XYs{{X: least, Y: 0}}
	every := max(1, n/visible)
	for i := range n {
		last := i == n-1
		if !last && (c.sorted[i] == c.sorted[i+1] || i%every != 0 && c.sorted[i+1] < 1.03*xys[len(xys)-1].X) {
			continue
		}
		x := max(c.sorted[i], least)
		xys = append(xys, plotter.XY{X: x, Y: xys[len(xys)-1].Y}, plotter.XY{X: x, Y: float64(i+1) / float64(n)})
	}
	return append(xys, plotter.XY{X: most, Y: 1})
}

func newLegend() plot.Legend {
	l := plot.NewLegend()
	l.Left, l.Top = true, true
	l.TextStyle.Font = sans(10.5)
	l.ThumbnailWidth = vg.Points(34)
	l.Padding = vg.Points(5)
	return l
}

// decades are ticks at 1 to 9 times the powers of ten. They have labels at 1, 2 and
// 5 times these powers, or on a wide axis at the powers alone.
type decades struct{}

func (decades) Ticks(from, to float64) []plot.Tick {
	var ticks []plot.Tick
	wide := to/from > 2e4
	for unit := 1e-3; unit <= to; unit *= 10 {
		for _, digit := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9} {
			x := unit * digit
			if x < from || x > to {
				continue
			}
			tick := plot.Tick{Value: x}
			if digit == 1 || !wide && slices.Contains([]float64{2, 5}, digit) {
				tick.Label = strconv.FormatFloat(x, 'g', 6, 64)
				if x >= 1e4 {
					tick.Label = thousands(x)
				}
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

func thousands(x float64) string {
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// percents are ticks of an axis of shares.
type percents struct{}

func (percents) Ticks(from, to float64) []plot.Tick {
	var ticks []plot.Tick
	for i := range 11 {
		tick := plot.Tick{Value: float64(i) / 10}
		if i%2 == 0 {
			tick.Label = fmt.Sprintf("%d%%", 10*i)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}
