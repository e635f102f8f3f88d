package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// timelinePolicies are the panels: what everybody does, what the server
// advises, what it can do itself.
var timelinePolicies = []string{"exp100", "slots", "queue"}

var timelineTitles = map[string]string{
	"exp100": "exponential backoff (100 ms, doubling)",
	"slots":  "the server's advice",
	"queue":  "waiting in line, with hand-off",
}

const timelineClients = 5

// drawTimeline shows one contended lock under three policies. The clients come at
// once, and the holds are the same.
func drawTimeline(ctx context.Context, c *Config) (picture, error) {
	load := Load{Kind: burst, Clients: timelineClients}
	var traces []*trace
	var end time.Duration
	for _, name := range timelinePolicies {
		policy, err := ParsePolicy(name)
		if err != nil {
			return picture{}, err
		}
		t := trial{policy: policy, law: c.Laws[0], load: load, seed: c.Seed, trace: new(trace)}
		if _, err := simulate(ctx, t, load.Clients); err != nil {
			return picture{}, err
		}
		traces = append(traces, t.trace)
		end = max(end, t.trace.end())
	}
	subtitle := fmt.Sprintf("%s; holds %s; simulated", load.Title(), c.Laws[0].Title)
	return picture{name: "timeline", width: 19 * vg.Centimeter, height: 18 * vg.Centimeter, draw: func(canvas draw.Canvas) {
		drawPanels(canvas, traces, end, subtitle)
	}}, nil
}

func (t *trace) end() time.Duration {
	var end time.Duration
	for _, u := range t.uses {
		end = max(end, u.to)
	}
	return end
}

// drawPanels puts the timelines one below the other, on one axis of time.
func drawPanels(c draw.Canvas, traces []*trace, end time.Duration, subtitle string) {
	c = titled(c, "One lock, the same holds, three ways to get it", subtitle)
	drawKey(draw.Crop(c, 20, 0, 0, 0))
	c = draw.Crop(c, 0, 0, 0, -22)
	var plots [][]*plot.Plot
	for i, t := range traces {
		p := newPlot()
		p.Title.Text = fmt.Sprintf("%s: %d tries, done after %.2f s", timelineTitles[timelinePolicies[i]],
			len(t.tries), t.end().Seconds())
		p.Title.TextStyle.Font = sans(11)
		p.Title.Padding = 4
		p.X.Label.Text = "time in s"
		p.X.Label.TextStyle.Font = sans(10)
		p.X.Min, p.X.Max = 0, end.Seconds()*1.02
		p.Y.Min, p.Y.Max = -0.6, timelineClients+0.6
		p.Y.Tick.Marker = rows{}
		p.Add(t)
		plots = append(plots, []*plot.Plot{p})
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10)}
	for i, row := range plot.Align(plots, tiles, c) {
		plots[i][0].Draw(row[0])
	}
}

// drawKey explains the signs.
func drawKey(c draw.Canvas) {
	style := textStyle(10)
	x, y := c.Min.X, c.Max.Y-vg.Points(4)
	put := func(text string, sign func(at vg.Point)) {
		sign(vg.Point{X: x, Y: y})
		c.FillText(style, vg.Point{X: x + vg.Points(14), Y: y}, text)
		x += vg.Points(34) + style.Width(text)
	}
	put("has the lock", func(at vg.Point) { bar(&c, at.X-8, at.X+8, at.Y) })
	put("try, refused", func(at vg.Point) { c.DrawGlyph(refusedTry, at) })
	put("try, served or put in line", func(at vg.Point) { c.DrawGlyph(servedTry, at) })
	put("waits", func(at vg.Point) { waitLine(&c, at.X-8, at.X+8, at.Y) })
	put("idle though wanted", func(at vg.Point) { hatch(&c, at.X-8, at.X+8, at.Y) })
}

// rows are the ticks of clients, and of the lock below them.
type rows struct{}

func (rows) Ticks(_, _ float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 0, Label: "lock"}}
	for i := range timelineClients {
		ticks = append(ticks, plot.Tick{Value: float64(timelineClients - i), Label: fmt.Sprintf("client %c", 'A'+i)})
	}
	return ticks
}

var (
	refusedTry = draw.GlyphStyle{Color: grey(0), Radius: 3.2, Shape: draw.RingGlyph{}}
	servedTry  = draw.GlyphStyle{Color: grey(0), Radius: 3.2, Shape: draw.CircleGlyph{}}
)

const barHeight = 5

func bar(c *draw.Canvas, from, to, y vg.Length) {
	c.SetColor(grey(150))
	c.Fill(box(from, y-barHeight, to, y+barHeight))
	c.SetLineStyle(draw.LineStyle{Color: grey(0), Width: 0.5})
	c.Stroke(box(from, y-barHeight, to, y+barHeight))
}

func waitLine(c *draw.Canvas, from, to, y vg.Length) {
	c.StrokeLine2(draw.LineStyle{Color: grey(0), Width: 0.7, Dashes: []vg.Length{1, 2}}, from, y, to, y)
}

// hatch is drawn line by line, since there are no patterns.
func hatch(c *draw.Canvas, from, to, y vg.Length) {
	const apart = 4
	thin := draw.LineStyle{Color: grey(0), Width: 0.5}
	c.SetLineStyle(thin)
	c.Stroke(box(from, y-barHeight, to, y+barHeight))
	for x := from - 2*barHeight; x < to; x += apart {
		x0, x1 := max(x, from), min(x+2*barHeight, to)
		if x0 < x1 {
			c.StrokeLine2(thin, x0, y-barHeight+(x0-x), x1, y-barHeight+(x1-x))
		}
	}
}

// Plot draws the trace: the lock in the bottom row, clients above in the order
// in which they are served.
func (t *trace) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	x := func(d time.Duration) vg.Length { return toX(d.Seconds()) }
	order := t.order()
	row := func(client int) vg.Length {
		return toY(float64(timelineClients - slices.Index(order, client)))
	}
	var free time.Duration
	for _, u := range t.uses {
		waitLine(&c, x(0), x(u.from), row(u.client))
		bar(&c, x(u.from), x(u.to), row(u.client))
		bar(&c, x(u.from), x(u.to), toY(0))
		if x(u.from)-x(free) > 0.5 {
			hatch(&c, x(free), x(u.from), toY(0))
		}
		free = u.to
	}
	for _, try := range t.tries {
		style := refusedTry
		if try.served {
			style = servedTry
		}
		c.DrawGlyph(style, vg.Point{X: x(try.at), Y: row(try.client)})
	}
}

// order returns the clients in the order in which they are served.
func (t *trace) order() []int {
	var order []int
	for _, u := range t.uses {
		order = append(order, u.client)
	}
	return order
}
