//go:build linux

package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const clusterPromise = "Clients go from node to node, and claim, wait, renew and release, while faults happen to the nodes. " +
	"For each lock there is an order of all requests that explains every answer, with leases that end no earlier than they " +
	"may; its tokens rise; a node that is replaced contradicts nobody. Beside them, processes write under their locks to a " +
	"resource that refuses smaller tokens than it has seen, and locks that are held all the time keep value, token and lease. "

func clusterScenario(name, promise string, share float64, short []fault, long int, smooth bool) *scenario {
	return &scenario{
		name: name, share: share, promise: clusterPromise + promise,
		round: func(ctx context.Context, t *trial) (outcome, error) {
			return clusterRound(ctx, t, pick(t, short[:1], short, repeat(short, long)), smooth)
		},
	}
}

// repeat returns so many faults.
func repeat(faults []fault, n int) (many []fault) {
	for i := range n {
		many = append(many, faults[i%len(faults)])
	}
	return many
}

var clusterScenarios = []*scenario{
	clusterScenario("cluster-kill", "Nodes are killed: any, the engine's leader, two of three, all.", 3, []fault{
		{"kill -9 of a node", killed(true)}, {"kill -9 of a node", killed(false)},
		{"kill -9 of all nodes", allKilled}, {"kill -9 of two nodes", majorityKilled},
	}, 10, false),
	clusterScenario("cluster-stop", "Nodes are stopped, and go on when others have taken over.", 3, []fault{
		{"SIGSTOP of a node", stopped(true)}, {"SIGSTOP of a node", stopped(false)},
		{"SIGSTOP for a moment", hiccup},
	}, 10, false),
	clusterScenario("cluster-roll", "Nodes are restarted in the orderly way: no request fails, none stays unanswered.", 1, []fault{
		{"SIGTERM of a node", rolled}, {"SIGTERM of a node", rolled},
	}, 6, true),
	clusterScenario("cluster-disk", "The disk of a node becomes full.", 1, []fault{{"full disks", filled}}, 4, false),
}

// smoothly are flags by which a slow machine is no reason to fail a request.
var smoothly = []string{"--cluster-patience", "30s", "--cluster-suspect", "20s", "--drain", "1m"}

// hopAfter is how long clients wait for an answer before they go to another node.
const hopAfter = 5 * time.Second

func clusterRound(ctx context.Context, t *trial, faults []fault, smooth bool) (o outcome, err error) {
	var flags []string
	if smooth {
		flags = smoothly
	}
	c, err := startNodes(ctx, t, flags...)
	if c != nil {
		defer c.stop()
	}
	if err != nil {
		return o, err
	}
	rec := newRecording(t.name, c.addrs()...)
	rec.patience = hopAfter
	if rec.smooth = smooth; smooth {
		rec.patience = answerWithin
	}
	return disturbCluster(ctx, t, c, rec, faults)
}

// disturbCluster lets clients loose on the nodes, and faults happen meanwhile.
func disturbCluster(ctx context.Context, t *trial, c *nodes, rec *recording, faults []fault) (o outcome, err error) {
	c.rec = rec
	long, err := takeLongHolds(t.name, rec)
	if err != nil {
		return o, err
	}
	fenced, err := guardResource(t, rec, pick(t, 2, 4, 6))
	if err != nil {
		return o, err
	}
	defer fenced.stop()
	rec.over.Store(int64(time.Hour))
	var clients sync.WaitGroup
	var actors []*actor
	for table := range pick(t, 3, 8, 12) {
		for range clientsPerTable {
			a := rec.newActor(t.split(), table)
			actors = append(actors, a)
			clients.Go(a.run)
		}
	}
	for i, f := range faults {
		time.Sleep(500*time.Millisecond + within(t.rng, time.Second))
		c.led = false
		if err = f.do(ctx, c, t.rng); err == nil {
			err = verifyLongHolds(rec, long, i+1, &o)
		}
		if err != nil {
			break
		}
		o.count(f.name, 1)
		if c.led {
			o.count("of these, to the engine's leader", 1)
		}
		o.count("faults", 1)
		rec.epoch.Add(1)
	}
	time.Sleep(500 * time.Millisecond)
	rec.over.Store(0)
	clients.Wait()
	fenced.stop()
	if err != nil {
		return o, err
	}
	fenced.resource.report(&o)
	judged, err := judge(t, rec, rec.collect(actors))
	o.merge(judged, 0)
	return o, err
}

// guardResource starts workers that go from node to node, and write to a resource.
func guardResource(t *trial, rec *recording, workers int) (*fenceCrew, error) {
	door, err := net.Listen("unix", filepath.Join(t.dir, "resource"))
	if err != nil {
		return nil, err
	}
	r := newResource()
	go r.serve(door)
	crew := &fenceCrew{args: []string{strings.Join(rec.addrs, ","), door.Addr().String()}, within: rec.within, resource: r, rng: t.split(), door: door}
	for range workers {
		if err := crew.hire(); err != nil {
			crew.stop()
			return nil, err
		}
	}
	return crew, nil
}
