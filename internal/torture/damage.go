//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

var damageScenario = &scenario{
	name:  "damage",
	share: 2,
	promise: "A client works alone, the server is killed, and copies of its files are cut off, changed in a bit, zeroed in " +
		"part or lengthened at random places. A server that starts on such a copy has all locks as they were at one " +
		"moment of the past, or it refuses to start and says which file it is.",
	round: damageRound,
}

const (
	damageKeys   = 8
	damageSteps  = 400
	longestPatch = 64 // bytes zeroed or added
)

func damageRound(ctx context.Context, t *trial) (o outcome, err error) {
	for _, mode := range fsyncModes {
		origin := filepath.Join(t.dir, mode)
		past, err := makeOrigin(ctx, t, origin, mode)
		if err != nil {
			return o, err
		}
		for i := range pick(t, 2, 17, 40) {
			if err := damageCopy(ctx, t, origin, fmt.Sprint(mode, "-", i), past, &o); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// makeOrigin has a server write files and kills it. It returns all states that the locks
// have been in.
func makeOrigin(ctx context.Context, t *trial, origin, mode string) ([]moment, error) {
	s, err := t.program.start(ctx, "--data", origin, "--fsync", mode, "--fsync-interval", "20ms")
	if err != nil {
		return nil, err
	}
	defer s.crash()
	return makePast(s.addr, t.rng)
}

// damageCopy damages a copy of the files and starts a server on it.
func damageCopy(ctx context.Context, t *trial, origin, name string, past []moment, o *outcome) error {
	o.count("damaged copies", 1)
	dir := filepath.Join(t.dir, name)
	if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
		return err
	}
	what, err := damage(dir, t.rng)
	if err != nil {
		return err
	}
	fault, err := startDamaged(ctx, t, dir, past, o)
	if err != nil || fault == "" {
		return errors.Join(err, os.RemoveAll(dir))
	}
	kept := fmt.Sprintf("%s-%s", t.name, name)
	o.Findings = append(o.Findings, finding{What: what + ": " + fault, File: kept})
	return os.CopyFS(filepath.Join(t.keep, kept), os.DirFS(dir))
}

// A moment is the state of all locks at some time: what gets shows for each.
type moment [damageKeys]struct {
	value string
	token uint64
}

// makePast changes locks one by one, and returns the moment after each change.
func makePast(addr string, rng *rand.Rand) (past []moment, err error) {
	conn, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer conn.reset()
	var now moment
	past = append(past, now)
	for step := range damageSteps {
		i := rng.IntN(damageKeys)
		if err := change(conn, i, step, now[i].token, rng); err != nil {
			return nil, err
		}
		if now, err = look(conn); err != nil {
			return nil, err
		}
		past = append(past, now)
	}
	return past, nil
}

// change takes the lock if it is free, and else renews or releases it.
func change(conn *client, i, step int, token uint64, rng *rand.Rand) error {
	key, value := damageKey(i), fmt.Sprint("step ", step)
	request := remove(key, token)
	switch {
	case token == 0:
		request = add(key, 0, value)
	case chance(rng, 2):
		request = cas(key, longestLease, value, token)
	}
	_, err := conn.ask(request, answerWithin)
	return err
}

func damageKey(i int) string { return fmt.Sprint("damage:", i) }

// look reads all locks.
func look(conn *client) (now moment, err error) {
	for i := range now {
		r, err := conn.ask("gets "+damageKey(i)+"\r\n", answerWithin)
		if err != nil {
			return now, err
		}
		now[i].value, now[i].token = r.value, r.token()
	}
	return now, nil
}

// damage damages a file of the directory and says how.
func damage(dir string, rng *rand.Rand) (what string, err error) {
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s: no file to damage", dir)
	}
	name := files[rng.IntN(len(files))]
	content, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	at, n := rng.IntN(len(content)), 1+rng.IntN(longestPatch)
	switch rng.IntN(4) {
	case 0:
		what, content = "cut off", content[:at]
	case 1:
		what = "one bit changed"
		content[at] ^= 1 << rng.IntN(8)
	case 2:
		what = fmt.Sprintf("%d bytes zeroed", n)
		clear(content[at:min(at+n, len(content))])
	case 3:
		what = fmt.Sprintf("%d random bytes behind the end", n)
		for range n {
			content = append(content, byte(rng.Uint32()))
		}
	}
	return fmt.Sprintf("%s, at %d: %s", filepath.Base(name), at, what), os.WriteFile(name, content, 0o666)
}

// startDamaged starts the server on damaged files. It returns what is wrong; "" if nothing
// is.
func startDamaged(ctx context.Context, t *trial, dir string, past []moment, o *outcome) (fault string, err error) {
	s, err := t.program.prepare("--data", dir)
	if err != nil {
		return "", err
	}
	if err := s.launch(); err != nil {
		return "", err
	}
	defer s.crash()
	if err := s.ready(ctx); err != nil {
		return o.refusal(s), context.Cause(ctx)
	}
	conn, err := dial(s.addr)
	if err != nil {
		return "", err
	}
	defer conn.reset()
	now, err := look(conn)
	if err != nil {
		return err.Error(), nil
	}
	switch {
	case now == past[len(past)-1]:
		o.count("started with all that was there", 1)
	case slices.Contains(past, now):
		o.count("started with an earlier moment", 1)
	default:
		return fmt.Sprintf("the locks were never like this: %v", now), nil
	}
	return "", nil
}

// refusal judges how the server refused to start.
func (o *outcome) refusal(s *server) (fault string) {
	if !s.over() {
		return "neither started nor gave up"
	}
	if code := s.State().ExitCode(); code != 1 {
		return fmt.Sprintf("ended with code %d; it printed: %s", code, s.Printed())
	}
	o.count("refused to start", 1)
	return ""
}
