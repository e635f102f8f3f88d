//go:build linux

package rig

import (
	"math"
	"slices"
)

// Percentile returns the value below which p percent of the values lie, interpolated
// between neighbours, or NaN if there are no values.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := p / 100 * float64(len(sorted)-1)
	below := int(rank)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (rank-float64(below))*(sorted[above]-sorted[below])
}

// Median returns the middle value.
func Median(values []float64) float64 { return Percentile(values, 50) }

// GeometricMean returns the mean that suits ratios: twice and half average to
// one.
func GeometricMean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}
