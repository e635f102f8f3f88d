//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// Here the server has a bug, which the history scenario has to find.

// fake is a server with a bug: a link to the real one that changes what passes.
type fake struct {
	request, reply func(line string) string
}

// inMemory starts a server that keeps nothing on disk.
func inMemory(t *testing.T, trial *trial) *server {
	t.Helper()
	s, err := trial.program.start(t.Context(), "--wait", policy+"*=300ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() }) // by then it may be another process
	return s
}

// serve returns the address of the fake.
func (f fake) serve(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go f.link(client, address)
		}
	}()
	return l.Addr().String()
}

func (f fake) link(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp4", address)
	if err != nil {
		return
	}
	go func() {
		defer server.Close()
		pass(server, client, f.request)
	}()
	pass(client, server, f.reply)
}

// pass copies lines until one side closes.
func pass(to io.Writer, from io.Reader, change func(string) string) {
	for in := bufio.NewReader(from); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if change != nil {
			line = change(line)
		}
		if _, err := io.WriteString(to, line); err != nil {
			return
		}
	}
}

// sometimes applies a change to one in twenty lines that it concerns.
func sometimes(change func(string) string) func(string) string {
	var seen atomic.Int64
	return func(line string) string {
		changed := change(line)
		if changed != line && seen.Add(1)%20 != 0 {
			return line
		}
		return changed
	}
}

func replace(old, by string) func(string) string {
	return func(line string) string { return strings.Replace(line, old, by, 1) }
}

func TestPlantedBugsAreFound(t *testing.T) {
	for _, test := range []struct {
		name string
		fake fake
	}{
		{"grants-twice", fake{reply: sometimes(replace("NOT_STORED", "STORED"))}},
		{"refuses-a-grant", fake{reply: sometimes(func(line string) string {
			if line != "STORED\r\n" {
				return line
			}
			return "NOT_STORED\r\n"
		})}},
		{"does-not-release", fake{request: sometimes(func(line string) string {
			if strings.HasPrefix(line, "delete ") {
				return "mn\r\n"
			}
			return line
		}), reply: replace("MN", "DELETED")}},
		{"ends-leases-early", fake{request: replace(" 0 2 ", " 0 1 ")}},
		{"tokens-fall", fake{reply: sometimes(replace("HD c1", "HD c0"))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			trial := tinyTrial(t)
			s := inMemory(t, trial)
			wantFindings(t, trial, s, test.fake.serve(t, s.addr), 0)
		})
	}
}

// The crash scenario has to find bugs on a full disk: a release that is confirmed and comes
// back, and a claim that is refused and holds the lock.
func TestPlantedBugsOnAFullDisk(t *testing.T) {
	const refusal = "SERVER_ERROR cannot write the journal: file too large\r\n"
	for name, plant := range map[string]func() fake{
		"none": func() fake { return fake{} },
		"confirms-a-release": func() fake {
			var release atomic.Bool // the request under way is one
			return fake{request: func(line string) string {
				release.Store(strings.HasPrefix(line, "delete "))
				return line
			}, reply: func(line string) string {
				if line == refusal && release.Load() {
					return "DELETED\r\n"
				}
				return line
			}}
		},
		"keeps-a-claim": func() fake {
			return fake{reply: sometimes(func(line string) string {
				if strings.HasPrefix(line, "HD c") {
					return refusal
				}
				return line
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := crashOnAFullDisk(t, tinyTrial(t), plant())
			switch {
			case err != nil:
				t.Fatal(err)
			case found == "" && name != "none":
				t.Error("nothing was found")
			case found != "" && name == "none":
				t.Error(found)
			}
		})
	}
}

// crashOnAFullDisk plays rounds with a bug until it is found, and returns what was found.
func crashOnAFullDisk(t *testing.T, trial *trial, bug fake) (found string, err error) {
	t.Helper()
	s, err := trial.program.start(t.Context(), "--data", trial.dir)
	if err != nil {
		return "", err
	}
	defer func() { s.Stop() }() // by then it may be another process
	addr, own := bug.serve(t, s.addr), newOwner(0, trial.split())
	const rounds = 20
	for range rounds {
		if err := load(s, addr, []*owner{own}, trial.rng, true); err != nil {
			return "", err
		}
		if err := s.again(t.Context()); err != nil {
			return "", err
		}
		if faults := verify(s.addr, []*owner{own}); len(faults) > 0 {
			return faults[0], nil
		}
	}
	return "", nil
}

// A server that keeps nothing on disk has forgotten its locks after a kill.
func TestLossIsFound(t *testing.T) {
	t.Parallel()
	trial := tinyTrial(t)
	s := inMemory(t, trial)
	wantFindings(t, trial, s, s.addr, 1)
}

// wantFindings plays rounds until something is found. On a slow machine the bug may not
// show in the first.
func wantFindings(t *testing.T, trial *trial, s *server, addr string, kills int) {
	t.Helper()
	const rounds = 20
	for range rounds {
		o, err := recordAndJudge(t.Context(), trial, s, addr, kills)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Findings) > 0 {
			return
		}
	}
	t.Errorf("nothing was found in %d rounds", rounds)
}

// Without a bug there is nothing to find, whatever the clients do.
func TestMemoryPasses(t *testing.T) {
	t.Parallel()
	trial := tinyTrial(t)
	s := inMemory(t, trial)
	o, err := recordAndJudge(t.Context(), trial, s, s.addr, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range o.Findings {
		t.Error(f.What)
	}
}
