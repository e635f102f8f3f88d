//go:build linux

// Package rig is what the benchmarks in scripts share. It starts the servers to be compared
// and ends them, reads what they cost in CPU and memory, and turns samples into numbers and
// tables. It knows nothing about what is measured.
package rig
