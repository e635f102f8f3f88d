//go:build linux

package rig

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Target is a number that lockcached promises.
type Target struct {
	What  string `json:"what"`
	Value Number `json:"value"`
	Limit Number `json:"limit"`
	Holds bool   `json:"holds"`
}

// AtLeast is the target that value does not fall below limit.
func AtLeast(what string, value, limit float64) Target {
	return Target{what, Number(value), Number(limit), value >= limit}
}

// AtMost is the target that value does not exceed limit.
func AtMost(what string, value, limit float64) Target {
	return Target{what, Number(value), Number(limit), value <= limit}
}

// PrintTargets writes a table of the targets to w: whether each holds, was missed or could
// not be measured.
func PrintTargets(w io.Writer, targets []Target) {
	var table Table
	table.Row("target", "limit", "is", "")
	for _, t := range targets {
		verdict := "missed"
		switch {
		case t.Holds:
			verdict = "holds"
		case math.IsNaN(float64(t.Value)):
			verdict = "not measured"
		}
		table.Row(t.What, fmt.Sprint(float64(t.Limit)), t.Value.Text(2), verdict)
	}
	table.Print(w)
}

// Number is a measurement, or NaN if there was nothing to measure; in JSON that is null.
type Number float64

// MarshalJSON is for package json.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Text returns the number with that many decimals, for people.
func (n Number) Text(decimals int) string {
	if math.IsNaN(float64(n)) {
		return "-"
	}
	return fmt.Sprintf("%.*f", decimals, float64(n))
}
