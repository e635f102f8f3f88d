package command

import (
	"slices"
	"testing"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

func TestServers(t *testing.T) {
	tests := map[string][]string{
		"localhost":                 {"localhost:11211"},
		"localhost:1,localhost:1":   {"localhost:1"},
		"[::1]:2,::1,/run/socket":   {"[::1]:2", "[::1]:11211", "/run/socket"},
		"cache-1,cache-2:11311,a.b": {"cache-1:11211", "cache-2:11311", "a.b:11211"},
		"tcp://a:1,memcached://a":   {"a:1", "a:11211"},
		"tcp://a,a,a:11211":         {"a:11211"},
		"unix:/x,unix:///x,/x":      {"/x"},
		"unix:x":                    {"./x"},
	}
	for value, want := range tests {
		r := newRemote()
		if err := takeAll(r.options(), []argv.Given{{Name: "server", Value: value}}); err != nil || !slices.Equal(r.servers, want) {
			t.Errorf("%s: %q, %v", value, r.servers, err)
		}
	}
}
