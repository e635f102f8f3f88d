package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A demand says how many readers want the page, and when.
type demand struct {
	rate  float64 // a second, by chance
	burst int     // at once, when it is missing; 0 if it is a rate
}

var errDemand = errors.New("a demand is r100 (100 readers a second, by chance) or b1000 (1000 at once)")

const mostRate = 100_000

func parseDemand(s string) (d demand, err error) {
	if s == "" {
		return d, errDemand
	}
	switch s[0] {
	case 'r':
		d.rate, err = strconv.ParseFloat(s[1:], 64)
		if err != nil || !(d.rate > 0 && d.rate <= mostRate) {
			return d, errDemand
		}
		return d, nil
	case 'b':
		d.burst, err = strconv.Atoi(s[1:])
		if err != nil || d.burst < 2 || d.burst > maxClients {
			return d, errDemand
		}
		return d, nil
	}
	return d, errDemand
}

func (d demand) String() string {
	if d.burst > 0 {
		return "b" + strconv.Itoa(d.burst)
	}
	return "r" + strconv.FormatFloat(d.rate, 'g', -1, 64)
}

// title is the demand in words, for tables and pictures.
func (d demand) title() string {
	if d.burst > 0 {
		return fmt.Sprintf("%d readers at once, of a page that is not there", d.burst)
	}
	return fmt.Sprintf("%g readers a second, by chance", d.rate)
}

// next draws the time to the next reader.
func (d demand) next(r *rand.Rand) time.Duration {
	return time.Duration(r.ExpFloat64() / d.rate * float64(time.Second))
}
