package main

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A chart is a plot with the words around it. gonum/plot would put titles over
// the plot alone, and on logarithmic axes reserves room for labels in the wrong place.
type chart struct {
	*plot.Plot
	title, subtitle string
	x, y            string
	legend          *plot.Legend // to the right, where it hides nothing
}

// newPlot returns a plot in the style that all plots share.
func newPlot() *plot.Plot {
	p := plot.New()
	p.X.Tick.Label.Font, p.Y.Tick.Label.Font = sans(10), sans(10)
	return p
}

const (
	titleHeight  = 44
	legendWidth  = 4.1 * vg.Centimeter
	labelBreadth = 20
	margin       = 8
)

func (ch *chart) draw(c draw.Canvas) {
	c = titled(c, ch.title, ch.subtitle)
	if ch.legend != nil {
		ch.legend.Draw(draw.Crop(c, c.Size().X-legendWidth+10, 0, 0, 0))
		c = draw.Crop(c, 0, -legendWidth, 0, 0)
	}
	inner := draw.Crop(c, labelBreadth, 0, labelBreadth, 0)
	ch.Draw(inner)
	data := ch.DataCanvas(inner)
	label := textStyle(11)
	label.XAlign, label.YAlign = draw.XCenter, draw.YBottom
	c.FillText(label, vg.Point{X: data.Center().X, Y: c.Min.Y}, ch.x)
	label.Rotation, label.YAlign = math.Pi/2, draw.YTop
	c.FillText(label, vg.Point{X: c.Min.X, Y: data.Center().Y}, ch.y)
}

// titled makes the background white, since SVG and PNG have none of their own,
// writes the title, and returns the rest of the canvas.
func titled(c draw.Canvas, title, subtitle string) draw.Canvas {
	c.SetColor(grey(255))
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin-4, margin, -margin)
	style := textStyle(13)
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	c.FillText(style, vg.Point{X: c.Center().X, Y: c.Max.Y}, title)
	style.Font = sans(10.5)
	c.FillText(style, vg.Point{X: c.Center().X, Y: c.Max.Y - 19}, subtitle)
	return draw.Crop(c, 0, 0, 0, -titleHeight)
}
