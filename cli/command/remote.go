package command

import (
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/client"
)

// serverEnv is the variable that names the servers if there is no --server.
const serverEnv = "LOCKCACHED_SERVER"

// defaultTimeout bounds one request of a command. It gives a server time to go through a million
// locks.
const defaultTimeout = 3 * time.Second

// A remote is the servers that a command asks, and how.
type remote struct {
	access
	servers []string // host:port, or the path of a Unix socket
	nodes   nodes    // the cluster that they belong to, once discover has found out
	timeout time.Duration
	json    bool
}

func newRemote() remote { return remote{timeout: defaultTimeout} }

// options are the flags of all commands that talk to servers.
func (r *remote) options() []option {
	return append(r.serverOptions(), option{
		long: "timeout", arg: "duration", usage: "how long a server may take to answer (default: " + defaultTimeout.String() + ")",
		take: positive(&r.timeout),
	}, option{
		long: "json", usage: "print one JSON document, with the protocol's names",
		take: turnOn(&r.json),
	})
}

// serverOptions are the flags that say where the servers are, and how to get access to them.
func (r *remote) serverOptions() []option {
	return append([]option{{
		long: "server", arg: "addr", many: true,
		usage:    "host, host:port or path of a Unix socket (default: $" + serverEnv + ")",
		variable: serverEnv,
		take:     r.addServer,
	}}, r.access.options()...)
}

// addServer takes one address. A server that is named twice is asked once.
func (r *remote) addServer(text string) error {
	server, err := client.ParseServer(text)
	if err != nil {
		return err
	}
	addr := server.String()
	if !slices.Contains(r.servers, addr) {
		r.servers = append(r.servers, addr)
	}
	return nil
}

// finish fills in the default server if neither a flag nor a variable names one, and checks what
// depends on more than one flag.
func (r *remote) finish() error {
	if len(r.servers) == 0 {
		r.servers = []string{net.JoinHostPort(argv.DefaultHost, strconv.Itoa(argv.DefaultPort))}
	}
	return r.access.finish(r.servers)
}

// dialer makes connections to the servers.
func (r *remote) dialer() *client.Dialer {
	return &client.Dialer{Timeout: r.timeout, TLS: r.tls, User: r.user, Password: r.password}
}

// memcached returns an ordinary client of one server. The selector keeps the server's name, which
// memcache.New would resolve: TLS has to verify the name.
func (r *remote) memcached(server string) *memcache.Client {
	list, _ := client.NewServerList(server) // addServer has read it
	mc := memcache.NewFromSelector(list)
	mc.Timeout, mc.DialContext = r.timeout, r.dialer().DialContext
	return mc
}
