package etcd

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/rs/zerolog"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
)

// RemoteConfig says how to reach an etcd that runs elsewhere. Only URLs is needed.
type RemoteConfig struct {
	URLs     []string // of some or all of its members, http://HOST:PORT or https://HOST:PORT
	TLS      TLS      // for https: CA is the authority of the servers, default the system's; Cert and Key are shown to them, if given
	User     string
	Password string
	Logger   zerolog.Logger
}

// How soon a connection is noticed that is dead; etcd allows no more pings.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 3 * time.Second
	loginTime   = 10 * time.Second
)

// URLs are those of nodes that run members, for Dial.
func URLs(nodes []engine.Peer, files TLS) (urls []string) {
	for _, n := range nodes {
		u := Config{TLS: files}.url(n.Address)
		urls = append(urls, u.String())
	}
	return urls
}

// Dial uses an etcd that runs elsewhere. It connects in the background, and fails only if
// the configuration is wrong or the login is refused; if there is a login, it waits for the
// answer, for up to 10 s.
func Dial(c RemoteConfig) (*Engine, error) {
	made, err := c.forEtcd()
	if err != nil {
		return nil, fmt.Errorf("cluster engine: %w", err)
	}
	client, err := clientv3.New(made)
	if err != nil {
		return nil, fmt.Errorf("cluster engine: %w", err)
	}
	return newEngine(client, c.Logger), nil
}

func (c RemoteConfig) forEtcd() (clientv3.Config, error) {
	made := clientv3.Config{
		Endpoints:            c.URLs,
		Username:             c.User,
		Password:             c.Password,
		DialTimeout:          loginTime,
		DialKeepAliveTime:    pingAfter,
		DialKeepAliveTimeout: pingTimeout,
		MaxCallSendMsgSize:   2 * engine.MaxBytes,
		Logger:               newZap(c.Logger, nil),
	}
	secure, err := c.isSecure()
	if err != nil || !secure {
		return made, err
	}
	info := c.TLS.info()
	info.Logger = made.Logger
	made.TLS, err = info.ClientConfig()
	return made, err
}

// isSecure reports whether the URLs are of https, and fails if they are not alike.
func (c RemoteConfig) isSecure() (bool, error) {
	var scheme string
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return false, err
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return false, fmt.Errorf("%q is not of the form http://HOST:PORT or https://HOST:PORT", text)
		case u.Scheme != cmp.Or(scheme, u.Scheme):
			return false, errors.New("some URLs are of http, and others of https")
		}
		scheme = u.Scheme
	}
	switch {
	case scheme == "":
		return false, errors.New("no URL of etcd")
	case scheme == "http" && c.TLS.Configured():
		return false, errors.New("there are files for TLS, but the URLs are of http")
	}
	return scheme == "https", nil
}
