package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// pictures are those for which there is data. Their names begin with name.
func (r *stampedeResults) pictures(name string) (all []picture) {
	if len(r.shown) > 0 {
		if r.config.shownDemand().rate > 0 {
			all = append(all, r.drawOrigin(name+"-origin"))
		}
		all = append(all, r.drawWaits(name+"-waits"))
	}
	if p, ok := r.drawRates(name + "-rates"); ok {
		all = append(all, p)
	}
	return all
}

func (r *stampedeResults) subtitle() string {
	mode := "live"
	if r.config.Simulate {
		mode = "simulated"
	}
	law := r.config.Laws[0]
	d := r.config.shownDemand()
	return fmt.Sprintf("%s; computing takes %s; TTL %v; %s", d.title(), law.Title, r.config.TTL, mode)
}

// drawOrigin shows how many computations are under way, around the moment when the page
// expires: a panel for each way, on one scale.
func (r *stampedeResults) drawOrigin(name string) picture {
	const columns = 2
	var panels []*plot.Plot
	most := 1.0
	for _, w := range r.config.Ways {
		if rec := r.shown[w.name]; rec != nil {
			trial := &stampedeTrial{config: &r.config, demand: r.config.shownDemand()}
			xys := rec.origin.points(rec.expiries(trial))
			for _, xy := range xys {
				most = max(most, xy.Y)
			}
			panels = append(panels, originPanel(w.name, xys))
		}
	}
	for _, p := range panels {
		p.Y.Min, p.Y.Max = 0, most*1.05
	}
	rows := (len(panels) + columns - 1) / columns
	height := vg.Length(rows)*3.4*vg.Centimeter + titleHeight + 30
	return picture{name: name, width: 19 * vg.Centimeter, height: height, draw: func(c draw.Canvas) {
		c = titled(c, "Load on the origin: computations under way, mean over all expiries", r.subtitle())
		label := textStyle(11)
		label.XAlign, label.YAlign = draw.XCenter, draw.YBottom
		c.FillText(label, vg.Point{X: c.Center().X, Y: c.Min.Y}, "seconds since the page expired")
		tiles := draw.Tiles{Cols: columns, Rows: rows, PadX: 14, PadY: 8, PadBottom: 18}
		for i, p := range panels {
			p.Draw(tiles.At(c, i%columns, i/columns))
		}
	}}
}

func originPanel(way string, xys plotter.XYs) *plot.Plot {
	p := newPlot()
	p.Title.Text, p.Title.TextStyle.Font = way, sans(11)
	p.Add(plotter.NewGrid())
	area, err := plotter.NewPolygon(xys)
	if err != nil {
		panic(err) // the points are finite numbers
	}
	area.Color, area.LineStyle = grey(150), draw.LineStyle{Color: grey(0), Width: vg.Points(0.8)}
	p.Add(area)
	p.X.Min, p.X.Max = originFrom, originTo
	return p
}

// The range of the panels, in seconds since the expiry.
const (
	originFrom = -2
	originTo   = 2
)

// points are the outline of the profile, the mean over so many expiries.
func (p *profile) points(expiries float64) plotter.XYs {
	xys := plotter.XYs{{X: originFrom, Y: 0}}
	for i, busy := range p.busy {
		x := (binsFrom + time.Duration(i)*binWidth).Seconds()
		if x < originFrom || x >= originTo {
			continue
		}
		y := float64(busy) / float64(binWidth) / expiries
		xys = append(xys, plotter.XY{X: x, Y: y}, plotter.XY{X: x + binWidth.Seconds(), Y: y})
	}
	return append(xys, plotter.XY{X: originTo, Y: 0})
}

// drawWaits shows how many readers wait longer than how long.
func (r *stampedeResults) drawWaits(name string) picture {
	p := newPlot()
	p.Add(plotter.NewGrid())
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	legend := newLegend()
	trial := &stampedeTrial{config: &r.config, demand: r.config.shownDemand()}
	least, most, top := shortestWait, shortestWait*10, 1.0
	var lines []*plotter.Line
	for _, w := range r.config.Ways {
		rec := r.shown[w.name]
		if rec == nil {
			continue
		}
		n := rec.expiries(trial)
		most = max(most, rec.waits[len(rec.waits)-1])
		xys := longer(rec.waits, n)
		top = max(top, xys[0].Y)
		line := &plotter.Line{XYs: xys, LineStyle: lookOf(w.name).line}
		lines = append(lines, line)
		legend.Add(w.name, line)
	}
	for _, line := range slices.Backward(lines) { // broad lines below narrow ones
		p.Add(line)
	}
	p.X.Min, p.X.Max = least, most*1.1
	p.Y.Min, p.Y.Max = fewestReaders, top*1.2
	ch := &chart{
		Plot: p, title: "Readers that wait longer than that, for each expiry", subtitle: r.subtitle(),
		x: "wait in ms (log scale)", y: "readers for each expiry (log scale)", legend: &legend,
	}
	return picture{name: name, width: 19 * vg.Centimeter, height: 11 * vg.Centimeter, draw: ch.draw}
}

const (
	shortestWait  = 1.0  // ms: others have met a page that was there
	fewestReaders = 0.05 // for each expiry: one in a run of twenty
)

// longer are the steps of the number of readers that wait longer than x, out of sorted waits of
// so many expiries. Steps that nobody can see apart are one.
func longer(waits []float64, expiries float64) plotter.XYs {
	const visible = 1.005
	from, _ := slices.BinarySearch(waits, shortestWait)
	last, height := shortestWait, float64(len(waits)-from)/expiries
	xys := plotter.XYs{{X: last, Y: math.Max(height, fewestReaders)}}
	for i := from; i < len(waits); i++ {
		if x := waits[i]; x > last*visible || i == len(waits)-1 {
			before := math.Max(float64(len(waits)-i)/expiries, fewestReaders)
			after := math.Max(float64(len(waits)-i-1)/expiries, fewestReaders)
			xys = append(xys, plotter.XY{X: last, Y: before}, plotter.XY{X: x, Y: before}, plotter.XY{X: x, Y: after})
			last = x
		}
	}
	return xys
}

// drawRates shows how often the page is computed, by how many want it.
func (r *stampedeResults) drawRates(name string) (p picture, ok bool) {
	pl := newPlot()
	pl.Add(plotter.NewGrid())
	pl.X.Scale, pl.X.Tick.Marker = plot.LogScale{}, decades{}
	pl.Y.Scale, pl.Y.Tick.Marker = plot.LogScale{}, decades{}
	legend := newLegend()
	least, most := 1.0, 1.0
	var lines []*plotter.Line
	for _, w := range r.config.Ways {
		var xys plotter.XYs
		for _, d := range r.config.Demands {
			for _, l := range r.of(d.String(), w.name) {
				if d.rate > 0 && l.Law == r.config.Laws[0].Name && l.Computed > 0 {
					xys = append(xys, plotter.XY{X: d.rate, Y: float64(l.Computed)})
					least, most = min(least, float64(l.Computed)), max(most, float64(l.Computed))
				}
			}
		}
		if len(xys) > 1 {
			line := &plotter.Line{XYs: xys, LineStyle: lookOf(w.name).line}
			lines = append(lines, line)
			legend.Add(w.name, line)
		}
	}
	if len(lines) == 0 {
		return p, false
	}
	for _, line := range slices.Backward(lines) {
		pl.Add(line)
	}
	pl.Y.Min, pl.Y.Max = least*0.8, most*1.3
	law := r.config.Laws[0]
	ch := &chart{
		Plot: pl, title: "How often a page is computed for each expiry",
		subtitle: fmt.Sprintf("computing takes %s; TTL %v", law.Title, r.config.TTL),
		x:        "readers a second (log scale)", y: "computations for each expiry (log scale)", legend: &legend,
	}
	return picture{name: name, width: 19 * vg.Centimeter, height: 11 * vg.Centimeter, draw: ch.draw}, true
}
