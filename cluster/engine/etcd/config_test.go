package etcd

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParsePeers(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"a=127.0.0.1:7001":               "",
		"a=h:1,b=h:2,c-3._X=[::1]:65535": "",
		"":                               "not of the form NAME=HOST:PORT",
		"a=h:1,":                         "not of the form NAME=HOST:PORT",
		"h:1":                            "not of the form NAME=HOST:PORT",
		"=h:1":                           "no name",
		"a b=h:1":                        "no name",
		"a=h:1,a=h:2":                    "the name a is there twice",
		"a=h:1,b=h:1":                    "the address h:1 is there twice",
		"a=h":                            "not of the form HOST:PORT",
		"a=:1":                           "not of the form HOST:PORT",
		"a=h:0":                          "a port from 1 to 65535",
		"a=h:65536":                      "a port from 1 to 65535",
		"a=::1:7001":                     "not of the form HOST:PORT",
		"a=" + strings.Repeat("h", 300) + ":name":    "a port from 1 to 65535",
		"a=http://127.0.0.1:7001,b=http://1.2.3.4:1": "not of the form HOST:PORT",
	} {
		peers, err := ParsePeers(list)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", list, err, want)
		case want == "" && len(peers) != strings.Count(list, "="):
			t.Errorf("%q: %v", list, peers)
		}
	}
	peers, err := ParsePeers("a=127.0.0.1:7001,b=localhost:7003")
	if want := []Peer{{"a", "127.0.0.1:7001"}, {"b", "localhost:7003"}}; err != nil || !slices.Equal(peers, want) {
		t.Errorf("%v, %v, want %v", peers, err, want)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{Name: "a", Dir: "d", Peers: []Peer{{"a", "127.0.0.1:7001"}, {"b", "localhost:7003"}, {"c", "[::1]:7005"}}}
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
