package etcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

// local is the member in this process.
type local struct {
	config Config
	etcd   *embed.Etcd
	port   *port
	ending chan struct{} // closed to end the upkeep
	busy   sync.WaitGroup
}

func (l *local) server() *etcdserver.EtcdServer { return l.etcd.Server }

// Raft keeps this many entries in memory, half of them for members that are behind. etcd's
// defaults, 10,000 and 5,000, are for small entries; ours have up to engine.MaxBytes.
const (
	snapshotEntries = 2000
	catchUpEntries  = 1000
)

// Start runs a member in this process. It returns when the member belongs to the cluster,
// may vote, and there is a leader: it waits for a majority of the others. ErrDataLost and
// ErrNotAdded say that it may not begin with an empty directory.
func Start(ctx context.Context, c Config) (*Engine, error) {
	c, err := c.checked()
	if err != nil {
		return nil, fmt.Errorf("cluster engine: %w", err)
	}
	e, err := start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("cluster engine: member %s: %w", c.Name, err)
	}
	return e, nil
}

func start(ctx context.Context, c Config) (*Engine, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	p, err := openPort(c, c.beginHandler())
	if err != nil {
		return nil, err
	}
	server, err := c.startEtcd(ctx)
	if err != nil {
		p.close()
		return nil, err
	}
	p.serve(server.Server)
	l := &local{config: c, etcd: server, port: p, ending: make(chan struct{})}
	e := newEngine(v3client.New(server.Server), c.Logger)
	e.local = l
	l.busy.Go(func() { l.watchEnd(e) })
	if err := e.becomeVoter(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	l.busy.Go(func() { newUpkeep(e).run() })
	return e, nil
}

// startEtcd starts etcd. Joining a running cluster may fail because it has no leader or
// because its members change, so it is tried again.
func (c Config) startEtcd(ctx context.Context) (*embed.Etcd, error) {
	for {
		b, err := c.begin(ctx)
		if err != nil {
			return nil, err
		}
		server, err := embed.StartEtcd(c.forEtcd(b))
		if err == nil || b.state == embed.ClusterStateFlagNew {
			return server, err
		}
		c.Logger.Warn().Err(err).Msg("the cluster cannot be joined yet")
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askPause):
		}
	}
}

// forEtcd is the Config for etcd. It listens nowhere: port does that.
func (c Config) forEtcd(b beginning) *embed.Config {
	e := embed.NewConfig()
	self, _ := c.self()
	own := c.url(self.Address)
	e.Name, e.Dir, e.InitialClusterToken = c.Name, c.Dir, c.Cluster
	e.InitialCluster, e.ClusterState = b.initial, b.state
	e.ListenPeerUrls, e.ListenClientUrls = nil, nil
	e.AdvertisePeerUrls, e.AdvertiseClientUrls = []url.URL{own}, []url.URL{own}
	e.PeerTLSInfo = c.TLS.info()
	e.TickMs, e.ElectionMs = uint(c.Heartbeat.Milliseconds()), uint(c.Election.Milliseconds())
	e.QuotaBackendBytes = c.Quota
	e.SnapshotCount, e.SnapshotCatchUpEntries = snapshotEntries, catchUpEntries
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZap(c.Logger, c.Fatal))
	e.EnableGRPCGateway = false
	c.checkForCorruption(e)
	return e
}

// checkForCorruption has members compare their data, at the start and after compactions.
func (c Config) checkForCorruption(e *embed.Config) {
	const gates = "InitialCorruptCheck=true,CompactHashCheck=true"
	gate := e.ServerFeatureGate.(interface{ Set(string) error })
	if err := gate.Set(gates); err != nil {
		panic(err) // etcd has other names for them
	}
}

// becomeVoter waits until this member belongs to the cluster and votes. One that was added
// begins as a learner, and is promoted when it has caught up.
func (e *Engine) becomeVoter(ctx context.Context) error {
	s := e.local.server()
	select {
	case <-s.ReadyNotify():
	case <-e.ended:
		return e.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	for s.IsLearner() {
		try, cancel := context.WithTimeout(ctx, askTimeout)
		_, err := e.client.MemberPromote(try, uint64(s.MemberID()))
		cancel()
		if err != nil {
			e.log.Debug().Err(err).Msg("this member cannot vote yet")
		}
		select {
		case <-time.After(askPause):
		case <-e.ended:
			return e.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// watchEnd waits for etcd to stop. It does that without being told to only if this member
// was removed.
func (l *local) watchEnd(e *Engine) {
	<-l.server().StopNotify()
	if !e.isClosing() {
		e.finish(ErrRemoved)
	}
	l.port.close()
}

// stop ends the member. Clients have to be gone.
func (l *local) stop() {
	l.port.leave()
	l.handOver()
	l.server().HardStop()
	l.etcd.Close()
	l.busy.Wait()
}

// handOver makes another member the leader, if this one leads. etcd would do that by itself,
// but if the others stop, too, it would wait for them for seconds.
func (l *local) handOver() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.server().TryTransferLeadershipOnShutdown() // or there is an election
	}()
	select {
	case <-done:
	case <-time.After(l.config.Election):
	}
}
