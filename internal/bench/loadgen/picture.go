//go:build linux

package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const (
	barWidth  = 5 // of one peer in a cell
	cellGap   = 7
	chartWide = 18 * vg.Centimeter
	dpi       = 110
	mostShown = 3 // longer bars are cut
)

// drawRatios writes a PNG file with a bar for each cell and peer: how many times the peer's speed
// the first server reached.
func drawRatios(file string, r report) error {
	p := plot.New()
	sans := func(size vg.Length) font.Font {
		return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
	p.X.Label.Text = "requests per second of " + r.Servers[0].Label + fmt.Sprintf(", as a multiple of the other's; longer bars are cut at %d", mostShown)
	p.X.Label.TextStyle.Font, p.X.Tick.Label.Font, p.Y.Tick.Label.Font, p.Legend.TextStyle.Font = sans(10), sans(9), sans(9), sans(9)
	p.X.Min = 0
	p.Legend.Top = true

	peers := r.Servers[1:]
	place := len(peers)*barWidth + cellGap
	height := vg.Length(place * len(r.Cells))
	for i, peer := range peers {
		var values plotter.Values
		for at := range r.Cells {
			ratio := float64(r.Cells[len(r.Cells)-1-at].Ratios[i]) // the first is at the top
			if math.IsNaN(ratio) {
				ratio = 0
			}
			values = append(values, ratio)
		}
		bars, err := plotter.NewBarChart(values, barWidth)
		if err != nil {
			return err
		}
		bars.Horizontal = true
		bars.LineStyle.Width = 0
		bars.Color = color.Gray{Y: uint8(70 + 110*i/max(1, len(peers)-1))}
		bars.Offset = vg.Length(len(peers)-1-2*i) * barWidth / 2
		p.Add(bars)
		p.Legend.Add(strings.TrimSuffix(peer.Label, "-"+peer.Version)+" "+peer.Version, bars)
	}
	p.NominalY(cellNames(r)...)
	p.Add(sameSpeed())
	p.X.Max = min(p.X.Max, mostShown)

	png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(chartWide, height+2*vg.Centimeter), vgimg.UseDPI(dpi))}
	p.Draw(draw.Crop(draw.New(png), 4, -12, 4, -4))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := png.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// cellNames are the names of the cells, the last one first.
func cellNames(r report) []string {
	var names []string
	for i := range r.Cells {
		names = append(names, r.Cells[len(r.Cells)-1-i].Cell)
	}
	return names
}

// sameSpeed is the line at which both servers are equally fast.
func sameSpeed() plot.Plotter {
	line, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: 1e6}})
	if err != nil {
		panic(err) // the points are fine
	}
	line.Width, line.Dashes = vg.Points(0.7), []vg.Length{2, 2}
	return clipped{line}
}

// clipped is a plotter that does not ask for room.
type clipped struct{ plot.Plotter }
