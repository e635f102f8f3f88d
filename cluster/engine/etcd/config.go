package etcd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/etcd/client/pkg/v3/transport"

	"github.com/lockcached/lockcached/cluster/engine"
)

// TLS names the files of a certificate, its key and the authority that signed it. The
// certificate is used as a server's and as a client's, and is read anew for every
// connection, so it may be replaced.
type TLS struct {
	Cert, Key, CA string
}

// Configured reports whether any file is named.
func (t TLS) Configured() bool { return t != TLS{} }

// info is t for etcd. A client has to have a certificate of the authority; from which
// address it comes does not matter.
func (t TLS) info() transport.TLSInfo {
	if !t.Configured() {
		return transport.TLSInfo{}
	}
	return transport.TLSInfo{
		CertFile: t.Cert, KeyFile: t.Key, TrustedCAFile: t.CA,
		ClientCertAuth: true, SkipClientSANVerify: true,
	}
}

// Config says how to run a member. Name, Dir and Peers are needed.
type Config struct {
	Name      string        // of this member, among Peers
	Dir       string        // of its data; made if it does not exist
	Peers     []engine.Peer // of the cluster, this member included; the founding ones must all be given the same
	Cluster   string        // its name; members of clusters with different names refuse each other; default "cluster"
	Listen    string        // HOST:PORT; default this member's address in Peers
	TLS       TLS           // needed unless all addresses are loopback
	Heartbeat time.Duration // default 100 ms
	Election  time.Duration // without a heartbeat, until members elect another leader; default 10 times Heartbeat, at least 5 times
	Quota     int64         // bytes that the database may take; default 4 GiB
	Logger    zerolog.Logger

	// Fatal is called when etcd cannot go on, as when its disk is full. If it returns, or
	// is nil, the process exits with code 1.
	Fatal func()

	upkeep time.Duration                                       // between two rounds; default 30 s, in tests less
	listen func(network, address string) (net.Listener, error) // default net.Listen
}

const (
	defaultHeartbeat = 100 * time.Millisecond
	defaultQuota     = 4 << 30
	electionFactor   = 10
	leastElection    = 5
	upkeepInterval   = 30 * time.Second
)

// checked returns the Config with its defaults, or an error that says what is wrong.
func (c Config) checked() (Config, error) {
	self, err := c.self()
	if err != nil {
		return c, err
	}
	c.Cluster = cmp.Or(c.Cluster, "cluster")
	c.Listen = cmp.Or(c.Listen, self.Address)
	c.Heartbeat = cmp.Or(c.Heartbeat, defaultHeartbeat)
	c.Election = cmp.Or(c.Election, electionFactor*c.Heartbeat)
	c.Quota = cmp.Or(c.Quota, defaultQuota)
	c.upkeep = cmp.Or(c.upkeep, upkeepInterval)
	if c.listen == nil {
		c.listen = net.Listen
	}
	switch {
	case c.Dir == "":
		return c, errors.New("no directory for the data")
	case c.Heartbeat < time.Millisecond:
		return c, fmt.Errorf("a heartbeat of %v is too short", c.Heartbeat)
	case c.Election < leastElection*c.Heartbeat:
		return c, fmt.Errorf("an election timeout of %v is less than %d heartbeats of %v", c.Election, leastElection, c.Heartbeat)
	case c.TLS.Configured() && (c.TLS.Cert == "" || c.TLS.Key == "" || c.TLS.CA == ""):
		return c, errors.New("TLS needs three files: certificate, key, and authority")
	case !c.TLS.Configured():
		for _, p := range append(slices.Clone(c.Peers), engine.Peer{Address: c.Listen}) {
			if !p.IsLoopback() {
				return c, fmt.Errorf("%s is not on this machine, so TLS is needed", p.Address)
			}
		}
	}
	return c, nil
}

// self is this member among the peers.
func (c Config) self() (engine.Peer, error) {
	for _, p := range c.Peers {
		if p.Name == c.Name {
			return p, nil
		}
	}
	return engine.Peer{}, fmt.Errorf("the cluster has no member %q", c.Name)
}

// url is the URL of an address, for etcd.
func (c Config) url(address string) url.URL {
	if c.TLS.Configured() {
		return url.URL{Scheme: "https", Host: address}
	}
	return url.URL{Scheme: "http", Host: address}
}
