package etcd

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockcached/lockcached/cluster/engine"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{Name: "a", Dir: "d", Peers: []engine.Peer{{Name: "a", Address: "127.0.0.1:7001"}, {Name: "b", Address: "localhost:7003"}, {Name: "c", Address: "[::1]:7005"}}}
	files := TLS{Cert: "cert", Key: "key", CA: "ca"}
	for name, test := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"good":                {func(*Config) {}, ""},
		"no-directory":        {func(c *Config) { c.Dir = "" }, "no directory"},
		"not-a-member":        {func(c *Config) { c.Name = "d" }, `no member "d"`},
		"off-loopback":        {func(c *Config) { c.Peers[1].Address = "10.0.0.1:7003" }, "TLS is needed"},
		"off-loopback-name":   {func(c *Config) { c.Peers[1].Address = "host:7003" }, "TLS is needed"},
		"listen-off-loopback": {func(c *Config) { c.Listen = "0.0.0.0:7001" }, "TLS is needed"},
		"off-loopback-tls":    {func(c *Config) { c.Peers[1].Address, c.TLS = "10.0.0.1:7003", files }, ""},
		"tls-without-ca":      {func(c *Config) { c.TLS = TLS{Cert: "cert", Key: "key"} }, "three files"},
		"tls-without-key":     {func(c *Config) { c.TLS = TLS{Cert: "cert", CA: "ca"} }, "three files"},
		"heartbeat-min":       {func(c *Config) { c.Heartbeat = time.Millisecond }, ""},
		"heartbeat-short":     {func(c *Config) { c.Heartbeat = time.Microsecond }, "too short"},
		"election-min":        {func(c *Config) { c.Heartbeat, c.Election = 10*time.Millisecond, 50*time.Millisecond }, ""},
		"election-short":      {func(c *Config) { c.Heartbeat, c.Election = 10*time.Millisecond, 49*time.Millisecond }, "less than 5 heartbeats"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			c.Peers = slices.Clone(good.Peers)
			test.change(&c)
			_, err := c.checked()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	c, err := good.checked()
	if err != nil || c.Listen != "127.0.0.1:7001" || c.Election != time.Second {
		t.Errorf("defaults: listens at %s, election %v, %v", c.Listen, c.Election, err)
	}
}

func TestRemoteConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config RemoteConfig
		want   string
	}{
		"none":        {RemoteConfig{}, "no URL"},
		"no-scheme":   {RemoteConfig{URLs: []string{"127.0.0.1:2379"}}, "first path segment"},
		"no-host":     {RemoteConfig{URLs: []string{"http://"}}, "not of the form"},
		"unix":        {RemoteConfig{URLs: []string{"unix:///etcd"}}, "not of the form"},
		"mixed":       {RemoteConfig{URLs: []string{"http://a:1", "https://b:1"}}, "others of https"},
		"tls-in-vain": {RemoteConfig{URLs: []string{"http://a:1"}, TLS: TLS{CA: "ca"}}, "the URLs are of http"},
		"no-file":     {RemoteConfig{URLs: []string{"https://a:1"}, TLS: TLS{CA: "no-such-file"}}, "no-such-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Dial(test.config)
			if err == nil {
				_ = e.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
