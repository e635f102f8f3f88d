package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"io"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A picture is drawn twice: as SVG and as PNG. Both are in black and grey, so that
// nothing is lost on paper or for colour-blind readers.
type picture struct {
	name          string // of the files, without their ending
	width, height vg.Length
	draw          func(draw.Canvas)
}

// dpi is the resolution of PNGs. It makes them as wide as a page in a browser.
const dpi = 110

// draw draws all pictures that the run has data for, and returns their names.
func (r *results) draw(ctx context.Context, folder string, out *Output) ([]string, error) {
	pictures := r.curves()
	if p, ok := r.frontier(); ok {
		pictures = append(pictures, p)
	}
	if r.config.Simulate {
		timeline, err := drawTimeline(ctx, &r.config)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, timeline, drawExample(r.config.Seed))
	}
	var names []string
	for _, p := range pictures {
		out.progress("drawing %s", p.name)
		if err := p.save(folder); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		names = append(names, p.name)
	}
	out.progress("")
	return names, nil
}

func (p *picture) save(folder string) error {
	svg := vgsvg.New(p.width, p.height)
	p.draw(draw.New(svg))
	png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(p.width, p.height), vgimg.UseDPI(dpi))}
	p.draw(draw.New(png))
	return errors.Join(
		writeTo(filepath.Join(folder, p.name+".svg"), func(w io.Writer) error { return writeSVG(w, svg) }),
		writeTo(filepath.Join(folder, p.name+".png"), func(w io.Writer) error {
			_, err := png.WriteTo(w)
			return err
		}),
	)
}

// writeSVG adds fonts of the same widths, for machines that lack the first.
func writeSVG(w io.Writer, svg io.WriterTo) error {
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	const font = "font-family:Liberation Sans"
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte(font), []byte(font+",Arial,Helvetica,sans-serif")))
	return err
}

func sans(size vg.Length) font.Font {
	return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
}

// textStyle is text of that size.
func textStyle(size vg.Length) draw.TextStyle {
	s := plot.New().Title.TextStyle
	s.Font = sans(size)
	s.XAlign, s.YAlign = draw.XLeft, draw.YCenter
	return s
}

// A look is how a policy is drawn in every picture: backoff in thin or broken lines,
// ours in thick ones.
type look struct {
	line  draw.LineStyle
	glyph draw.GlyphDrawer
	grey  color.Gray
}

func lookOf(policy string) look {
	l, ok := looks[policy]
	if !ok {
		l = stroke(1, 120, draw.CrossGlyph{}, 1, 3)
	}
	return l
}

var looks = map[string]look{
	"exp100":       stroke(1.4, 0, draw.TriangleGlyph{}, 7, 3),
	"exp100cap1s":  stroke(1.4, 130, draw.PyramidGlyph{}, 7, 3),
	"fulljit":      stroke(1.4, 0, draw.SquareGlyph{}, 2, 3),
	"decorr":       stroke(1.4, 130, draw.BoxGlyph{}, 2, 3),
	"dogpile":      stroke(1, 60, draw.CrossGlyph{}, 4, 2, 1, 2),
	"linear100":    stroke(1, 60, draw.PlusGlyph{}, 8, 3, 1, 3),
	"article":      stroke(1.4, 150, draw.RingGlyph{}),
	"solo":         stroke(1, 90, diamond{}, 12, 2),
	"slots":        stroke(2.4, 0, draw.CircleGlyph{}),
	"rank":         stroke(1.8, 90, diamond{filled: true}, 12, 3),
	"slots+park50": stroke(2.4, 130, draw.CircleGlyph{}),
	"queue":        stroke(5, 195, star{}),

	"plain":    stroke(1.4, 0, draw.TriangleGlyph{}, 7, 3),
	"add-lock": stroke(1, 60, draw.PlusGlyph{}, 8, 3, 1, 3),
	"xfetch":   stroke(1.4, 130, draw.BoxGlyph{}, 2, 3),
	"mg-n30":   stroke(1.4, 130, draw.PyramidGlyph{}, 7, 3),
	"coalesce": stroke(2.4, 0, draw.CircleGlyph{}),
	"stale":    stroke(2.4, 130, draw.CircleGlyph{}),
	"early":    stroke(5, 195, star{}),
}

func stroke(width float64, grey uint8, glyph draw.GlyphDrawer, dashes ...float64) look {
	l := look{glyph: glyph, grey: color.Gray{Y: grey}}
	l.line = draw.LineStyle{Color: l.grey, Width: vg.Points(width)}
	for _, d := range dashes {
		l.line.Dashes = append(l.line.Dashes, vg.Points(d))
	}
	return l
}

func (l look) glyphStyle(radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.grey, Radius: radius, Shape: l.glyph}
}

type diamond struct{ filled bool }

func (d diamond) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	r := s.Radius * 1.2
	p := polygon(vg.Point{X: at.X - r, Y: at.Y}, vg.Point{X: at.X, Y: at.Y + r},
		vg.Point{X: at.X + r, Y: at.Y}, vg.Point{X: at.X, Y: at.Y - r})
	c.SetColor(s.Color)
	if d.filled {
		c.Fill(p)
		return
	}
	c.SetLineStyle(draw.LineStyle{Color: s.Color, Width: vg.Points(1)})
	c.Stroke(p)
}

// star is four strokes through one point.
type star struct{}

func (star) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	s.Color = color.Black
	draw.PlusGlyph{}.DrawGlyph(c, s, at)
	draw.CrossGlyph{}.DrawGlyph(c, s, at)
}

func polygon(corners ...vg.Point) vg.Path {
	var p vg.Path
	p.Move(corners[0])
	for _, corner := range corners[1:] {
		p.Line(corner)
	}
	p.Close()
	return p
}

// box is an upright rectangle.
func box(left, bottom, right, top vg.Length) vg.Path {
	return polygon(vg.Point{X: left, Y: bottom}, vg.Point{X: right, Y: bottom},
		vg.Point{X: right, Y: top}, vg.Point{X: left, Y: top})
}
