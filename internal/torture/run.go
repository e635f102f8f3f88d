//go:build linux

package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/lockcached/lockcached/internal/bench/rig"
)

// A runner lets the scenarios take turns.
type runner struct {
	options
	state    *state
	progress *rig.Progress
	scratch  string // directory that is gone at the end
}

func newRunner(ctx context.Context, o options) (*runner, error) {
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return nil, err
	}
	r := &runner{options: o, progress: rig.NewProgress(len(o.scenarios)), scratch: scratch}
	if r.state, err = r.initialState(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *runner) close() { os.RemoveAll(r.scratch) }

// initialState is that of the run to be resumed, or a new one. Either way the
// server has been seen to start.
func (r *runner) initialState(ctx context.Context) (*state, error) {
	s, err := r.program.start(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if r.resume {
		return loadState(r.dir)
	}
	st := &state{Began: time.Now(), Seed: r.seed, Short: r.form == short, path: filepath.Join(r.dir, stateFile)}
	if st.Server, err = version(s.addr); err != nil {
		return nil, err
	}
	st.Machine, err = thisMachine()
	return st, err
}

// run plays rounds until the time is over. A round that is interrupted does not count: the
// signal may have hit the server, too.
func (r *runner) run(ctx context.Context) error {
	defer r.progress.Clear()
	for s := r.next(); s != nil; s = r.next() {
		score := r.state.of(s.name)
		r.show(s, score)
		began := time.Now()
		o, err := r.play(ctx, s, score.Rounds+1)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted in %s, round %d: -resume goes on from there", s.name, score.Rounds+1)
		}
		if err != nil {
			return fmt.Errorf("%s, round %d: %w", s.name, score.Rounds+1, err)
		}
		score.Rounds++
		score.merge(o, score.Rounds)
		r.state.Ended = time.Now()
		score.Spent += r.state.Ended.Sub(began)
		if err := r.state.save(); err != nil {
			return err
		}
	}
	return nil
}

// next is the scenario that is furthest behind its share of the time; nil when the run is
// over. Each is played at least once.
func (r *runner) next() (next *scenario) {
	least := 0.0
	for _, s := range r.scenarios {
		score := r.state.of(s.name)
		if score.Rounds == 0 {
			return s
		}
		if behind := score.Spent.Seconds() / s.share; next == nil || behind < least {
			next, least = s, behind
		}
	}
	if r.form == short || r.state.spent() >= r.duration {
		return nil
	}
	return next
}

func (r *runner) show(s *scenario, score *score) {
	if r.form == short {
		r.progress.Step(s.name)
		return
	}
	findings := 0
	for _, score := range r.state.Scores {
		findings += len(score.Findings)
	}
	r.progress.Show(fmt.Sprintf("%v of %v, %d findings: %s, round %d",
		r.state.spent().Round(time.Second), r.duration, findings, s.name, score.Rounds+1))
}

// play plays one round.
func (r *runner) play(ctx context.Context, s *scenario, number int) (outcome, error) {
	name := fmt.Sprintf("%s-%d", s.name, number)
	dir := filepath.Join(r.scratch, name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	hash := fnv.New64a()
	io.WriteString(hash, name) // each round has a seed of its own, also when resumed
	return s.round(ctx, &trial{
		program: r.program, form: r.form, soak: r.soak, rng: rand.New(rand.NewPCG(r.state.Seed, hash.Sum64())),
		dir: dir, keep: r.dir, name: name,
	})
}
