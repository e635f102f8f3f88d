package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	books "github.com/lockcached/lockcached/stats/ledger"
)

// The article's example: holds take 200 ms on average, with a standard deviation
// of 70 ms; A has the lock, and B asks for it 10 ms later.

const exampleLate = 10 * time.Millisecond

// An exampleRow is what a policy does in the example.
type exampleRow struct {
	policy, title string
	tries         []time.Duration // of B while it is refused; the first is at 10 ms
	further       float64         // mean number of tries after the first
	idleMS        float64         // mean
}

// exampleRows plans B's tries with what the server knows after 500 holds, and
// computes their mean cost over enough holds for three digits.
func exampleRows(seed uint64) []exampleRow {
	rows := []exampleRow{
		{policy: "exp100", title: "exponential, 100 ms doubling"},
		{policy: "linear100", title: "every 100 ms"},
		{policy: "article", title: "article: even chance"},
		{policy: "slots", title: "advice (a try costs 0.5 hold)"},
		{policy: "rank", title: "advice, ranked (0.25 hold)"},
		{policy: "queue", title: "waiting in line"},
	}
	law, err := NewLaw("normal", DefaultMean, DefaultStddev)
	if err != nil {
		panic(err) // there is a normal law
	}
	for i := range rows {
		rows[i].plan(law, seed)
		rows[i].weigh(law, seed)
	}
	return rows
}

// plan computes when B tries, however long it is refused.
func (e *exampleRow) plan(law Law, seed uint64) {
	policy, err := ParsePolicy(e.policy)
	if err != nil {
		panic(err) // rows name known policies
	}
	e.tries = []time.Duration{exampleLate}
	if policy.pause == nil {
		return
	}
	var server bookkeeping
	server.init(trial{policy: policy})
	chance := rand.New(rand.NewPCG(seed, mix("example")))
	for range warmHolds {
		server.show(books.Released, law.hold(chance)+roundTrip)
	}
	server.granted(0, 0, 0)
	r := refusal{rand: chance}
	for age := exampleLate; age < 10*law.Mean; {
		r.nth++
		server.refused(1)
		r.scene = server.tell(age, 1)
		if policy.needs&advises != 0 {
			r.advice = server.advise(1, age)
		}
		r.last = policy.pause(&r)
		age += r.last + roundTrip
		e.tries = append(e.tries, age)
	}
}

// weigh computes the mean cost of the plan.
func (e *exampleRow) weigh(law Law, seed uint64) {
	const holds = 200_000
	chance := rand.New(rand.NewPCG(seed, mix("example holds")))
	for range holds {
		hold := law.hold(chance)
		for hold < exampleLate {
			hold = law.hold(chance)
		}
		if len(e.tries) == 1 { // in line: served when A releases
			e.idleMS += ms(roundTrip) / holds
			continue
		}
		i := 1
		for i < len(e.tries)-1 && e.tries[i] < hold {
			i++
		}
		e.further += float64(i) / holds
		// The release and the answer to the try each take half a round trip.
		e.idleMS += (ms(max(e.tries[i]-hold, 0)) + ms(roundTrip)/2) / holds
	}
}

// drawExample shows the law of A's hold, and below it when B tries.
func drawExample(seed uint64) picture {
	rows := exampleRows(seed)
	density := newPlot()
	density.Y.Tick.Marker, density.X.Tick.Marker = plot.ConstantTicks{}, plot.ConstantTicks{}
	density.Add(bell())
	density.X.Min, density.X.Max = 0, exampleEnd // Add widens the axes
	density.Y.Min, density.Y.Max = 0, 1.1
	tries := newPlot()
	tries.X.Min, tries.X.Max = 0, exampleEnd
	tries.Y.Min, tries.Y.Max = 0.4, float64(len(rows))+0.6
	tries.Y.Tick.Marker, tries.X.Tick.Marker = exampleTicks(rows), hundreds{}
	tries.Add(exampleTries(rows))
	return picture{name: "example", width: 19 * vg.Centimeter, height: 12 * vg.Centimeter, draw: func(c draw.Canvas) {
		c = titled(c, "The article's example: A has the lock, B asks 10 ms later",
			"holds normal, mean 200 ms, sd 70 ms. Open circle: B is refused. Filled: B asks again, until it is served")
		arrange(c, density, tries, rows)
	}}
}

const exampleEnd = 550 // ms

// arrange puts the law above the tries, on one axis of time, and the costs to
// the right.
func arrange(c draw.Canvas, density, tries *plot.Plot, rows []exampleRow) {
	const costs, labels = 4.2 * vg.Centimeter, labelBreadth
	narrow := draw.Crop(c, 0, -costs, labels, 0)
	cut := narrow.Size().Y * 0.56
	upper := draw.Crop(narrow, 0, 0, cut, 0)
	lower := draw.Crop(narrow, 0, 0, 0, cut-narrow.Size().Y)
	aligned := plot.Align([][]*plot.Plot{{density}, {tries}}, draw.Tiles{Rows: 2, Cols: 1}, narrow)
	upper.Min.X, upper.Max.X = aligned[0][0].Min.X, aligned[0][0].Max.X
	lower.Min.X, lower.Max.X = aligned[1][0].Min.X, aligned[1][0].Max.X
	density.Draw(upper)
	tries.Draw(lower)
	data := tries.DataCanvas(lower)
	drawCosts(c, data, tries, rows)
	style := textStyle(11)
	style.XAlign, style.YAlign = draw.XCenter, draw.YBottom
	c.FillText(style, vg.Point{X: data.Center().X, Y: c.Min.Y}, "time since A has the lock, in ms")
	style.XAlign, style.YAlign = draw.XRight, draw.YCenter
	c.FillText(style, vg.Point{X: data.Min.X - 14, Y: upper.Center().Y}, "density of A's hold")
}

// hundreds are ticks of an axis of time.
type hundreds struct{}

func (hundreds) Ticks(_, to float64) []plot.Tick {
	var ticks []plot.Tick
	for x := 0; x <= int(to); x += 50 {
		tick := plot.Tick{Value: float64(x)}
		if x%100 == 0 {
			tick.Label = fmt.Sprint(x)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// bell is the density of A's hold.
func bell() plot.Plotter {
	mean, sd := ms(DefaultMean), ms(DefaultStddev)
	xys := plotter.XYs{{X: 0, Y: 0}}
	for x := 0.0; x <= exampleEnd; x += 2 {
		xys = append(xys, plotter.XY{X: x, Y: math.Exp(-(x - mean) * (x - mean) / (2 * sd * sd))})
	}
	area, err := plotter.NewPolygon(append(xys, plotter.XY{X: exampleEnd, Y: 0}))
	if err != nil {
		panic(err) // the points are ours
	}
	area.Color = grey(215)
	area.LineStyle = draw.LineStyle{Color: grey(0), Width: 1}
	return area
}

func exampleTicks(rows []exampleRow) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for i, row := range rows {
		ticks = append(ticks, plot.Tick{Value: float64(len(rows) - i), Label: row.title})
	}
	return ticks
}

// exampleTries draws each row's tries.
type exampleTries []exampleRow

func (e exampleTries) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for i, row := range e {
		y := toY(float64(len(e) - i))
		waitLine(&c, toX(ms(exampleLate))+5, c.Max.X, y)
		for n, at := range row.tries {
			if ms(at) > p.X.Max {
				break
			}
			style := servedTry
			if n == 0 && len(row.tries) > 1 {
				style = refusedTry
			}
			c.DrawGlyph(style, vg.Point{X: toX(ms(at)), Y: y})
		}
	}
}

// drawCosts writes what each row costs to the right of it.
func drawCosts(c, data draw.Canvas, p *plot.Plot, rows []exampleRow) {
	_, toY := p.Transforms(&data)
	style := textStyle(10)
	x := data.Max.X + vg.Points(10)
	c.FillText(style, vg.Point{X: x, Y: data.Max.Y + vg.Points(6)}, "further tries, idle:")
	for i, row := range rows {
		c.FillText(style, vg.Point{X: x, Y: toY(float64(len(rows) - i))},
			fmt.Sprintf("%.2f tries, %.1f ms", row.further, row.idleMS))
	}
}
