package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// A Law says how long holders keep the lock.
type Law struct {
	Name   string
	Title  string // for pictures
	Mean   time.Duration
	Stddev time.Duration // 0 if the law has its own

	unit time.Duration // of draw
	draw func(*rand.Rand) float64
}

// The hold times of the article's example.
const (
	DefaultMean   = 200 * time.Millisecond
	DefaultStddev = 70 * time.Millisecond
)

// LawNames are the names that NewLaw knows.
var LawNames = []string{"normal", "lognormal", "exponential", "bimodal", "constant", "pareto"}

// TakesStddev reports whether a law has a standard deviation that can be chosen.
func TakesStddev(law string) bool { return law == "normal" || law == "lognormal" }

// NewLaw returns the law of that name with that mean; the mean of bimodal is 1.09
// times as long. normal and lognormal have that standard deviation; the others ignore
// it. An unknown name is an error.
func NewLaw(name string, mean, stddev time.Duration) (Law, error) {
	cv := float64(stddev) / float64(mean)
	l := Law{Name: name, Mean: mean, unit: mean}
	switch name {
	case "normal":
		l.draw = normal(cv)
	case "lognormal":
		l.draw = lognormal(cv)
	case "exponential":
		l.draw = (*rand.Rand).ExpFloat64
	case "bimodal":
		l.draw, l.Mean = bimodal, time.Duration(bimodalMean*float64(mean))
	case "constant":
		l.draw = func(*rand.Rand) float64 { return 1 }
	case "pareto":
		l.draw = pareto
	default:
		return Law{}, fmt.Errorf("%q is none of %s", name, strings.Join(LawNames, ", "))
	}
	l.Title = fmt.Sprintf("%s, mean %v", name, l.Mean)
	if TakesStddev(name) {
		l.Stddev = stddev
		l.Title += fmt.Sprintf(", sd %v", stddev)
	}
	return l, nil
}

// hold draws a hold time.
func (l *Law) hold(r *rand.Rand) time.Duration {
	return time.Duration(l.draw(r) * float64(l.unit))
}

// normal is cut off just above 0: no hold time is negative.
func normal(cv float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 {
		for {
			if x := 1 + cv*r.NormFloat64(); x > 0.005 {
				return x
			}
		}
	}
}

func lognormal(cv float64) func(*rand.Rand) float64 {
	s2 := math.Log1p(cv * cv)
	return func(r *rand.Rand) float64 { return math.Exp(math.Sqrt(s2)*r.NormFloat64() - s2/2) }
}

// bimodal is a cache that hits nine times out of ten: a tenth of the unit, else ten
// units, each within 10 %.
func bimodal(r *rand.Rand) float64 {
	mode := 0.1
	if r.Float64() < 0.1 {
		mode = 10
	}
	return mode * (0.9 + 0.2*r.Float64())
}

const bimodalMean = 0.9*0.1 + 0.1*10

// pareto has exponent 1.8, so it has a mean but no variance.
func pareto(r *rand.Rand) float64 {
	const alpha = 1.8
	return (alpha - 1) / alpha * math.Pow(1-r.Float64(), -1/alpha)
}
