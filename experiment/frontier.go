package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func grey(y uint8) color.Gray { return color.Gray{Y: y} }

// frontier shows the tries and the idle time of each policy. The oracle is not in it:
// a logarithmic scale has no 0.
func (r *results) frontier() (picture, bool) {
	at := r.picturePlace()
	var points labelled
	for _, s := range r.lines {
		if s.Law == at.law && s.Load == at.load && s.IdleMS > 0 && s.Tries > 0 && s.Tries.known() {
			points = append(points, labelledPoint{float64(s.Tries), float64(s.IdleMS), s.Policy})
		}
	}
	if len(points) == 0 {
		return picture{}, false
	}
	p := newPlot()
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
	p.Add(plotter.NewGrid(), points)
	lowX, highX, lowY, highY := points.DataRange()
	p.X.Min, p.X.Max = lowX*0.9, highX*1.25
	p.Y.Min, p.Y.Max = lowY*0.6, highY*1.8
	ch := &chart{
		Plot: p, title: "What a policy pays: idle time against tries (lower left is better)", subtitle: r.subtitle(),
		x: "tries per acquisition (log scale)", y: "idle time per acquisition in ms (log scale)",
	}
	return picture{name: "frontier", width: 17 * vg.Centimeter, height: 13 * vg.Centimeter, draw: ch.draw}, true
}

type labelledPoint struct {
	x, y  float64
	label string
}

// labelled are points with their names beside them.
type labelled []labelledPoint

func (l labelled) DataRange() (lowX, highX, lowY, highY float64) {
	lowX, lowY = math.Inf(1), math.Inf(1)
	for _, p := range l {
		lowX, highX = min(lowX, p.x), max(highX, p.x)
		lowY, highY = min(lowY, p.y), max(highY, p.y)
	}
	return lowX, highX, lowY, highY
}

// Plot puts each name where it covers nothing, if there is such a place.
func (l labelled) Plot(c draw.Canvas, p *plot.Plot) {
	const radius = 4
	toX, toY := p.Transforms(&c)
	style := textStyle(10)
	var taken []vg.Rectangle
	for _, point := range l {
		at := vg.Point{X: toX(point.x), Y: toY(point.y)}
		c.DrawGlyph(lookOf(point.label).glyphStyle(radius), at)
		r := vg.Length(radius + 1)
		taken = append(taken, vg.Rectangle{Min: vg.Point{X: at.X - r, Y: at.Y - r}, Max: vg.Point{X: at.X + r, Y: at.Y + r}})
	}
	for _, point := range l {
		at := vg.Point{X: toX(point.x), Y: toY(point.y)}
		spot := freeSpot(at, style.Width(point.label), style.Height(point.label), c.Rectangle, taken)
		taken = append(taken, spot)
		c.FillText(style, vg.Point{X: spot.Min.X, Y: (spot.Min.Y + spot.Max.Y) / 2}, point.label)
	}
}

// freeSpot returns the nearest free place for a text beside a point; if there is none,
// the place on its right.
func freeSpot(at vg.Point, width, height vg.Length, within vg.Rectangle, taken []vg.Rectangle) vg.Rectangle {
	place := func(dx, dy vg.Length) vg.Rectangle {
		corner := vg.Point{X: at.X + dx, Y: at.Y + dy}
		return vg.Rectangle{Min: corner, Max: vg.Point{X: corner.X + width, Y: corner.Y + height}}
	}
	for off := vg.Length(7); off < 20; off += 3 {
		for _, spot := range []vg.Rectangle{
			place(off, -height/2), place(-off-width, -height/2),
			place(-width/2, off), place(-width/2, -off-height),
			place(off-3, off-3), place(off-3, 3-off-height),
			place(3-off-width, off-3), place(3-off-width, 3-off-height),
		} {
			if contains(within, spot) && !anyOverlap(spot, taken) {
				return spot
			}
		}
	}
	return place(7, -height/2)
}

func contains(outer, inner vg.Rectangle) bool {
	return inner.Min.X >= outer.Min.X && inner.Min.Y >= outer.Min.Y && inner.Max.X <= outer.Max.X && inner.Max.Y <= outer.Max.Y
}

func anyOverlap(r vg.Rectangle, others []vg.Rectangle) bool {
	for _, o := range others {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return true
		}
	}
	return false
}
