package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/internal/testcert"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestTLS: with TLS only those with a certificate of the authority are let in, members and
// clients alike.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority, stranger := testcert.NewAuthority(t), testcert.NewAuthority(t)
	files := func(a *testcert.Authority) TLS {
		cert, key := a.Issue("localhost")
		return TLS{Cert: cert, Key: key, CA: authority.File}
	}
	c := newCluster(t, 2, func(c *Config) { c.TLS = files(authority) })
	c.start()
	must(t, c.engines[0], engine.Put("k", []byte("v")))
	friend := dial(t, RemoteConfig{URLs: []string{c.url(0), c.url(1)}, TLS: files(authority)})
	if got := value(t, friend, "k"); got != "v" {
		t.Errorf("a client with a certificate reads %q", got)
	}
	plain := c.configs[0]
	plain.TLS = TLS{}
	for name, config := range map[string]RemoteConfig{
		"of another authority": {URLs: []string{c.url(0)}, TLS: files(stranger)},
		"without one":          {URLs: []string{c.url(0)}, TLS: TLS{CA: authority.File}},
		"without TLS":          {URLs: []string{fmt.Sprintf("http://%s", plain.Peers[0].Address)}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, _, err := dial(t, config).Get(ctx, "k"); !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("a client with a certificate %s: %v", name, err)
		}
	}
}

// TestLogin: an etcd elsewhere may want a name and a password, and allow some keys only.
func TestLogin(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.start()
	enableLogin(t, c.engines[0].client)
	config := RemoteConfig{URLs: []string{c.url(0)}, User: "locks", Password: "secret"}
	e := dial(t, config)
	must(t, e, engine.Put("locks/k", []byte("v")))
	if got := value(t, e, "locks/k"); got != "v" {
		t.Errorf("read %q", got)
	}
	if _, err := e.Txn(patient(t), engine.Txn{Then: []engine.Op{engine.Put("other/k", nil)}}); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("a put of somebody else's key: %v", err)
	}
	config.Password = "wrong"
	if _, err := Dial(config); err == nil {
		t.Error("a wrong password is accepted")
	}
}

func enableLogin(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx := patient(t)
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(client.UserAdd(ctx, "root", "root"))
	do(client.UserGrantRole(ctx, "root", "root"))
	do(client.UserAdd(ctx, "locks", "secret"))
	do(client.RoleAdd(ctx, "locks"))
	do(client.RoleGrantPermission(ctx, "locks", "locks/", "locks0", clientv3.PermissionType(clientv3.PermReadWrite)))
	do(client.UserGrantRole(ctx, "locks", "locks"))
	do(client.AuthEnable(ctx))
}

// TestReconnect: after the server was away a watch goes on and misses nothing, or it ends
// and its reader reads again; a change of leader is noticed.
func TestReconnect(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.start()
	remote := dial(t, RemoteConfig{URLs: []string{c.url(0)}})
	first := must(t, remote, engine.Put("k", []byte("0")))
	if !remote.HasLeader() {
		t.Error("there was an answer, but no leader")
	}
	seen := make(chan string)
	go follow(t.Context(), remote, first.Revision, seen)
	changed := remote.LeaderChanged()
	must(t, remote, engine.Put("k", []byte("1")))
	if got := <-seen; got != "1" {
		t.Fatalf("seen %q", got)
	}
	c.kill(0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := remote.Get(ctx, "k"); !errors.Is(err, engine.ErrUnknown) || remote.HasLeader() {
		t.Errorf("read without a server: %v, with a leader: %v", err, remote.HasLeader())
	}
	c.start()
	must(t, c.engines[0], engine.Put("k", []byte("2")))
	select {
	case got := <-seen:
		if got != "2" {
			t.Errorf("seen %q", got)
		}
	case <-time.After(testenv.Patience):
		t.Error("the watch is silent")
	}
	if got := value(t, remote, "k"); got != "2" {
		t.Errorf("read %q", got)
	}
	<-changed
}

// follow sends the values of k after a revision: those that it is told of, and, where
// changes were lost, the one that it reads.
func follow(ctx context.Context, e *Engine, revision int64, seen chan<- string) {
	send := func(p engine.Pair) {
		revision = p.Modified
		select {
		case seen <- string(p.Value):
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		for change := range e.Watch(ctx, "k", revision) {
			send(change.Events[0].Pair)
		}
		if p, _, err := e.Get(ctx, "k"); err == nil && p.Modified > revision {
			send(p)
		}
	}
}
