package main

import (
	"context"
	"math/rand/v2"
)

// A jump is how the tries per acquisition change when holds suddenly take ten
// times as long.
type jump struct {
	before, next50, settled float64 // settled begins 1000 acquisitions after the jump
}

// jumpTenfold plays ten clients in a closed loop that follow the advice.
func jumpTenfold(ctx context.Context, law Law, seed uint64) (jump, error) {
	const steady, settling, after = 1000, 1000, 1000
	policy, err := ParsePolicy("slots")
	if err != nil {
		return jump{}, err
	}
	total := steady + settling + after
	warm := total / warmShare
	drawn, draw := 0, law.draw
	law.draw = func(r *rand.Rand) float64 {
		drawn++
		if drawn > warmHolds+warm+steady {
			return 10 * draw(r)
		}
		return draw(r)
	}
	load := Load{Kind: closed, Clients: 10}
	l, err := simulate(ctx, trial{policy: policy, law: law, load: load, seed: seed}, total)
	if err != nil {
		return jump{}, err
	}
	return jump{
		before:  meanTries(l.acquired[:steady]),
		next50:  meanTries(l.acquired[steady : steady+50]),
		settled: meanTries(l.acquired[steady+settling:]),
	}, nil
}

func meanTries(list []acquisition) float64 {
	sum := 0
	for _, a := range list {
		sum += a.tries
	}
	return float64(sum) / float64(len(list))
}
