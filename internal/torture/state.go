//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// state is a run so far. It is on disk after each round, so that the run can go
// on after an end of any kind.
type state struct {
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"` // of the latest round
	Seed    uint64    `json:"seed"`
	Short   bool      `json:"short"`
	Machine machine   `json:"machine"`
	Server  string    `json:"server"` // as the server reports it
	Scores  []*score  `json:"scenarios"`

	path string
}

// A score is the result of a scenario over all its rounds.
type score struct {
	Scenario string        `json:"scenario"`
	Rounds   int           `json:"rounds"`
	Spent    time.Duration `json:"spent_ns"`
	outcome
}

const stateFile = "state.json"

// loadState reads the state of an earlier run.
func loadState(dir string) (*state, error) {
	path := filepath.Join(dir, stateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("-resume: %w; leave it out to begin a run in -dir", err)
	}
	if err != nil {
		return nil, err
	}
	s := &state{path: path}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("-resume: %s: %w; remove it to begin anew", path, err)
	}
	return s, nil
}

// save replaces the file at once, so that it is never half written.
func (s *state) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", append(text, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}

// of returns the score of a scenario, a new one if it has none.
func (s *state) of(name string) *score {
	for _, score := range s.Scores {
		if score.Scenario == name {
			return score
		}
	}
	score := &score{Scenario: name}
	s.Scores = append(s.Scores, score)
	return score
}

// spent is the time that all rounds have taken.
func (s *state) spent() (sum time.Duration) {
	for _, score := range s.Scores {
		sum += score.Spent
	}
	return sum
}

// verdict is an error that names the scenarios that were not passed.
func (s *state) verdict() error {
	var lost []string
	for _, score := range s.Scores {
		if v := score.Verdict(); v != passed {
			lost = append(lost, score.Scenario+": "+v)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return errors.New(strings.Join(lost, "; "))
}

const passed = "passed"

// Verdict is how the scenario ended, in words.
func (s *score) Verdict() string {
	switch {
	case len(s.Findings) > 0:
		return fmt.Sprintf("FAILED, %d findings", len(s.Findings)+s.Omitted)
	case s.Undecided > 0:
		return fmt.Sprintf("undecided, %d histories were too hard to judge", s.Undecided)
	case s.Rounds == 0:
		return "not run"
	}
	return passed
}
