package engine

import (
	"slices"
	"strings"
	"testing"
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
