//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/lockcached/lockcached/internal/bench/rig"
	"github.com/lockcached/lockcached/internal/ports"
)

// memberCommand is the argument by which this program serves as a member of etcd, so that no
// etcd need be installed and both sides use the same version of it.
const memberCommand = "etcd-member"

// A member is how one etcd process is told to serve.
type member struct {
	Name, Dir, Clients, Peers, Initial string
}

func launchEtcd(_ context.Context, dir string) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	all, err := planMembers(dir)
	if err != nil {
		return nil, err
	}
	s := new(system)
	for _, m := range all {
		text, err := json.Marshal(m)
		if err != nil {
			return s, err
		}
		p, err := rig.Start(exec.Command(self, memberCommand, string(text)))
		if err != nil {
			return s, err
		}
		s.processes = append(s.processes, p)
	}
	clients := make([]*clientv3.Client, len(all))
	s.connect = func(i int) (locker, error) {
		if clients[i] == nil {
			c, err := clientv3.New(clientv3.Config{Endpoints: []string{all[i].Clients}, Logger: zap.NewNop()})
			if err != nil {
				return nil, err
			}
			clients[i] = c
		}
		return newMutexes(clients[i])
	}
	return s, nil
}

func planMembers(dir string) (all []member, err error) {
	var initial []string
	for i := range members {
		port, err := ports.Free(2)
		if err != nil {
			return nil, err
		}
		m := member{
			Name: fmt.Sprintf("m%d", i), Clients: fmt.Sprintf("http://127.0.0.1:%d", port), Peers: fmt.Sprintf("http://127.0.0.1:%d", port+1),
		}
		m.Dir = filepath.Join(dir, m.Name)
		initial = append(initial, m.Name+"="+m.Peers)
		all = append(all, m)
	}
	for i := range all {
		all[i].Initial = strings.Join(initial, ",")
	}
	return all, nil
}

// serveMember serves until the process is killed.
func serveMember(args []string) {
	err := func() error {
		var m member
		if err := json.Unmarshal([]byte(strings.Join(args, " ")), &m); err != nil {
			return err
		}
		return m.serve()
	}()
	fmt.Fprintln(os.Stderr, "etcd:", err)
	os.Exit(1)
}

func (m member) serve() error {
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster, c.LogLevel = m.Name, m.Dir, m.Initial, "error"
	for _, u := range []struct {
		text string
		all  []*[]url.URL
	}{
		{m.Clients, []*[]url.URL{&c.ListenClientUrls, &c.AdvertiseClientUrls}},
		{m.Peers, []*[]url.URL{&c.ListenPeerUrls, &c.AdvertisePeerUrls}},
	} {
		parsed, err := url.Parse(u.text)
		if err != nil {
			return err
		}
		for _, urls := range u.all {
			*urls = []url.URL{*parsed}
		}
	}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	return <-e.Err()
}

// mutexes is a client of etcd: a session, and the mutexes that it has locked.
type mutexes struct {
	session *concurrency.Session
	held    *concurrency.Mutex
}

func newMutexes(client *clientv3.Client) (locker, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	lease, err := client.Grant(ctx, leaseSeconds)
	if err != nil {
		return nil, err
	}
	s, err := concurrency.NewSession(client, concurrency.WithLease(lease.ID))
	if err != nil {
		return nil, err
	}
	return &mutexes{session: s}, nil
}

func (m *mutexes) close() { _ = m.session.Close() }

func (m *mutexes) lock(ctx context.Context, key string) error {
	m.held = concurrency.NewMutex(m.session, "/bench/"+key)
	return m.held.Lock(ctx)
}

func (m *mutexes) unlock(ctx context.Context, _ string) error { return m.held.Unlock(ctx) }
