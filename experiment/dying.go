package main

import "slices"

// dyingPromised is what must hold if 5 to 50 per cent of the holders die. The comparison is with
// what clients do by themselves. The time until the lease of a dead holder ends does not count
// as idle: no policy can save it.
var dyingPromised = slices.Concat(
	[]target{
		{policy: "queue", what: "tries", of: tries, limit: 1.02},
		{policy: "queue", what: "idle ms", of: idle, limit: 1.5},
		{policy: "queue", what: "idle ms after a death, p99", of: afterDeath, limit: 1.5},
	},
	dyingPromises("slots", []lowest{{"b2", 0.70}, {"b10", 0.65}, {"b100", 0.83}, {"p0.5", 0.75}, {"c10", 0.80}}),
	dyingPromises("slots+park50", []lowest{{"b2", 0.70}, {"b10", 0.70}, {"b100", 0.85}, {"p0.5", 0.80}, {"c10", 0.88}}),
)

// lowest is the least share of the time in which the lock has to be in use, out of the time in
// which it could be.
type lowest struct {
	load  string
	share float64
}

// dyingPromises returns what advice promises, with or without parking.
func dyingPromises(policy string, shares []lowest) []target {
	list := []target{{policy: policy, what: "idle ms after a death, p99", of: afterDeath, limit: 5}}
	for _, s := range shares {
		list = append(list, target{policy: policy, load: s.load, what: "in use", of: share, limit: s.share, least: true})
	}
	for _, r := range []ratio{
		{"b2", "exp100cap1s", 0.80, 1.00},
		{"b10", "exp100cap1s", 0.25, 0.80}, {"b10", "fulljit", 0.25, 1.00},
		{"b100", "exp100cap1s", 0.06, 0.45}, {"b100", "fulljit", 0.20, 1.50},
		{"p0.5", "exp100cap1s", 0.75, 0.85}, {"p0.5", "fulljit", 0.25, 0.85},
	} {
		list = append(list, r.promisedBy(policy)...)
	}
	return list
}

func afterDeath(s *Summary) Number { return s.AfterDeathP99 }
