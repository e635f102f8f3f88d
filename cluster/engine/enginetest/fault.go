package enginetest

import (
	"math/rand/v2"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

// A Fault is what happens to a Txn on its way. The zero Fault is none.
type Fault struct {
	LoseRequest bool          // it is never carried out, nor answered
	LoseAnswer  bool          // it is carried out, and never answered
	Late        time.Duration // it is carried out that much later, even if nobody waits any more
	Again       time.Duration // that long afterwards it is carried out once more; 0: it is not
	Fail        bool          // whoever waits for what is lost learns so at once, by an ErrUnknown
	Refuse      error         // it is not carried out, and refused with this error
}

// Rates are probabilities of faults, each from 0 to 1. What is left over goes well.
type Rates struct {
	LoseRequest float64
	LoseAnswer  float64
	Late        float64
	Again       float64
	Most        time.Duration // the most for Late and Again
}

// Faults returns what draws faults for Node.SetFault, by a source of chance of its own, so
// that the same seed brings the same faults to the same sequence of transactions.
func (r Rates) Faults(seed uint64) func(engine.Txn) Fault {
	random := rand.New(rand.NewPCG(seed, 0))
	return func(engine.Txn) Fault {
		some := func() time.Duration { return 1 + time.Duration(random.Int64N(int64(max(r.Most, 1)))) }
		switch p := random.Float64(); {
		case p < r.LoseRequest:
			return Fault{LoseRequest: true, Fail: random.IntN(2) == 0}
		case p < r.LoseRequest+r.LoseAnswer:
			return Fault{LoseAnswer: true, Fail: random.IntN(2) == 0}
		case p < r.LoseRequest+r.LoseAnswer+r.Late:
			return Fault{Late: some()}
		case p < r.LoseRequest+r.LoseAnswer+r.Late+r.Again:
			return Fault{Again: some()}
		}
		return Fault{}
	}
}
