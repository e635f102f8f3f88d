package daemon

import (
	"cmp"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/logging"
)

// A flag is a row of the table of flags.
type flag struct {
	short   string // one letter, or ""
	long    string // also names the environment variable
	same    string // the long name of the flag of which this is another name
	arg     string // what its value is called in the help; "" for a switch
	many    bool   // may be repeated, or given a comma-separated list
	counted bool   // repeating it means more of it
	ignored bool   // has no effect, which is logged at the start
	section string // of the help; "" leaves it out
	usage   string
	// set puts one value into the configuration, or returns an error that says
	// what would be right. For a switch it is called only if the switch is on. It is
	// nil for flags that print something instead of serving.
	set func(c *config, value string) error

	// live is the mark of a flag that SIGHUP can change in the file of --config, and returns the
	// value in effect, for the log and "stats settings". It is nil for flags that need a restart.
	live func(c *config) string
	// If isFixed, SIGHUP can change the value, but cannot add or remove it.
	isFixed bool
	joined  bool // its value is a list separated by commas
}

// The sections of the help, in order.
const (
	listening   = "Where to listen"
	memory      = "Memory"
	connections = "Connections"
	security    = "Who may connect"
	watching    = "A page to look at, metrics and health"
	locking     = "Locks"
	caching     = "Values that many clients compute"
	durability  = "Locks that survive a restart"
	clustering  = "Locks that outlive the machine"
	commands    = "Commands"
	process     = "Process and log"
	ignoring    = "Accepted as memcached's, without effect"
)

var sections = []string{listening, memory, connections, security, locking, caching, durability, clustering, watching, commands, process, ignoring}

// flags are those of memcached 1.6.45, with its meaning and its long names,
// and our own, which have only long names. -D has no long name in memcached.
var flags = []flag{
	{short: "p", long: "port", arg: "num", section: listening, set: setPort,
		usage: "TCP port; 0 for no TCP, -1 for any free port (default: 11211)"},
	{short: "l", long: "listen", arg: "addr", many: true, section: listening, set: setListen,
		usage: "addresses: host, host:port, [IPv6]:port or * for all (default: 127.0.0.1)"},
	{short: "s", long: "unix-socket", arg: "file", section: listening, set: setSocket,
		usage: "Unix socket to listen on; turns TCP off"},
	{short: "a", long: "unix-mask", arg: "mask", section: listening, set: setSocketMode,
		usage: "access mode of the Unix socket, in octal (default: 700)"},
	{short: "b", long: "listen-backlog", arg: "num", section: listening, set: number(backlog, 1, "the backlog must be greater than 0"),
		usage: "connections that may wait to be accepted (default: 1024)"},

	{short: "m", long: "memory-limit", arg: "num", section: memory, set: number(megabytes, 1, "the memory limit is a number of megabytes greater than 0"),
		live:  shown(megabytes),
		usage: "memory for items, in megabytes (default: 64)"},
	{short: "M", long: "disable-evictions", section: memory, set: on(noEvict),
		live:  shown(noEvict),
		usage: "refuse new items when memory is full; held locks are never evicted anyway"},
	{short: "I", long: "max-item-size", arg: "num", section: memory, set: setItemSize,
		usage: "the largest item: bytes, or with suffix k or m (default: 1m, at least 1k)"},

	{short: "c", long: "conn-limit", arg: "num", section: connections, set: number(maxConns, 1, "maximum connections must be greater than 0"),
		live:  shown(maxConns),
		usage: "connections at a time (default: 1024)"},
	{short: "R", long: "max-reqs-per-event", arg: "num", section: connections,
		set:   number(reqsPerEvent, 1, "number of requests per event must be greater than 0"),
		usage: "requests of one connection handled before others get a turn (default: 20)"},
	{long: "keepalive", arg: "duration", section: connections, set: interval(keepAlive),
		usage: "probe a silent TCP client after this time (default: 30s)"},
	{long: "user-timeout", arg: "duration", section: connections, set: interval(userTimeout),
		usage: "drop a TCP client that acknowledges nothing for that long (default: 30s)"},
	{long: "send-timeout", arg: "duration", section: connections, set: interval(sendTimeout),
		usage: "cut off a client that reads no replies for that long (default: 30s)"},
	{long: "request-timeout", arg: "duration", section: connections, set: interval(requestTimeout),
		usage: "cut off a client that pauses within a request for that long (default: 1m)"},
	{long: "disable-batch-calls", section: connections, set: on(noBatchCalls),
		usage: "a system call for each socket, as where Linux AIO is forbidden"},
	{short: "o", long: "extended", arg: "option", many: true, section: connections, set: setSuboption,
		usage: "idle_timeout=<seconds> closes silent ones; ssl_... sets up TLS"},

	{short: "Z", long: "enable-ssl", section: security, set: on(enableTLS),
		usage: "speak TLS 1.2 or 1.3, with the certificate of --tls-cert or -o ssl_chain_cert"},
	{long: "tls-cert", arg: "file", section: security, set: setCertificate,
		live: shown(tlsChain), isFixed: true,
		usage: "the server's certificate with its chain, in PEM; turns TLS on"},
	{long: "tls-key", arg: "file", section: security, set: text(tlsKey, "a file name"),
		live: shown(tlsKey), isFixed: true,
		usage: "its private key, unless that is in the same file"},
	{long: "tls-ca", arg: "file", section: security, set: setClientCA,
		live: shown(tlsCA), isFixed: true,
		usage: "require client certificates that one of these authorities has signed"},
	{short: "Y", long: "auth-file", arg: "file", section: security, set: text(authFile, "a file name"),
		live: shown(authFile), isFixed: true,
		usage: "require a user and a password: lines user:password, as in memcached"},
	{short: "S", long: "enable-sasl", section: security, set: on(sasl),
		usage: "only the binary protocol, whose clients log in with SASL; needs -Y"},

	{long: "lock-keys", arg: "pattern", many: true, section: locking, set: setLockKeys,
		usage: "keys that are locks when added, as a glob: * ? [a-z] (default: every key)"},
	{long: "wait", arg: "pattern=duration", many: true, section: locking, set: setWait,
		live:  shownList(waitPolicies, shownWait),
		usage: "let an add of a held lock wait in line; first match counts (default: none)"},
	{long: "max-wait", arg: "duration", section: locking, set: interval(maxWait),
		live:  shown(maxWait),
		usage: "the longest wait that a client can ask for (default: 1m)"},
	{long: "max-waiters", arg: "num", section: locking, set: number(maxWaiters, 1, "the line must hold at least 1 waiter"),
		live:  shown(maxWaiters),
		usage: "the longest line for one lock (default: 100000)"},
	{long: "max-waiters-total", arg: "num", section: locking, set: number(maxWaitersTotal, 1, "there must be room for at least 1 waiter"),
		live:  shown(maxWaitersTotal),
		usage: "waiters for all locks together, pollers included (default: 1000000)"},
	{long: "retry-rate", arg: "num", section: locking, set: rate(retryRate),
		live:  shown(retryRate),
		usage: "tries a second that the advice allows at one lock (default: 1000)"},
	{long: "retry-rate-total", arg: "num", section: locking, set: rate(totalRetryRate),
		live:  shown(totalRetryRate),
		usage: "the same for all locks together (default: 20000)"},
	{long: "retry-by-rank", section: locking, set: on(retryByRank),
		live:  shown(retryByRank),
		usage: "advise up to 64 pollers in their order: fairer, but slower"},
	{long: "retry-max", arg: "duration", section: locking, set: interval(retryMax),
		live:  shown(retryMax),
		usage: "the longest delay before the next try that is advised (default: 1m)"},
	{long: "lock-delay", arg: "glob=time", many: true, section: locking, set: setLockDelay,
		live:  shownList(lockDelays, shownDelay),
		usage: "keep a lock closed after an expiry, not after a release (default: none)"},
	{long: "guard-release", arg: "pattern", many: true, section: locking, set: setGuardRelease,
		live:  shownList(guardRelease, shownPattern),
		usage: "refuse a late delete while another client holds the lock (default: none)"},
	{long: "settle", arg: "duration", section: locking, set: duration(settle),
		usage: "grant no locks for that long after the start (default: 0s)"},
	{short: "D", long: "delimiter", arg: "char", section: locking, set: setDelimiter,
		usage: "what ends the class or prefix in a key; turns \"stats detail\" on (default: :)"},
	{long: "stats-keys", arg: "num", section: locking, set: number(statsKeys, 1, "statistics need room for at least 1 key"),
		usage: "keys to keep statistics of, besides held locks (default: 10000)"},
	{long: "stats-classes", arg: "num", section: locking, set: number(statsClasses, 1, "statistics need room for at least 1 class"),
		usage: "classes of keys to keep statistics of (default: 1000)"},

	{long: "coalesce", arg: "glob=time", many: true, section: caching, set: fillPolicy(holdPolicies),
		live:  shownList(holdPolicies, shownFill),
		usage: "hold back a get while another client computes the value (default: none)"},
	{long: "stale", arg: "glob=time", many: true, section: caching, set: fillPolicy(stalePolicies),
		live:  shownList(stalePolicies, shownFill),
		usage: "serve an expired value while one client computes the next (default: none)"},
	{long: "early", arg: "glob=beta", many: true, section: caching, set: setEarly,
		live:  shownList(earlyPolicies, shownEarly),
		usage: "let one client compute before the expiry; 1 is usual (default: none)"},

	{long: "data", arg: "dir", section: durability, set: text(dataDir, "a directory"),
		usage: "keep held locks there, so that they survive a restart (default: none)"},
	{long: "fsync", arg: "mode", section: durability, set: setFsync,
		usage: "always: before a grant is confirmed; interval; never (default: interval)"},
	{long: "fsync-interval", arg: "duration", section: durability, set: interval(fsyncInterval),
		usage: "with --fsync interval, how much time a power cut may lose (default: 1s)"},

	{long: "cluster", arg: "nodes", section: clustering, set: setClusterNodes,
		joined: true,
		usage:  "all nodes, NAME=HOST:PORT,...; each uses two ports (default: none)"},
	{long: "node", arg: "name", section: clustering, set: setClusterNode,
		usage: "which of them this is; --data is where it keeps its part"},
	{long: "cluster-engine", arg: "urls", section: clustering, set: setClusterEngine,
		joined: true,
		usage:  "an etcd that runs elsewhere, instead of the one within the nodes"},
	{long: "cluster-login", arg: "file", section: clustering, set: text(clusterLogin, "a file name"),
		usage: "a line user:password for that etcd"},
	{long: "cluster-clients", arg: "addr", section: clustering, set: setClusterClients,
		usage: "HOST:PORT at which clients reach this node (default: where it listens)"},
	{long: "cluster-tls-cert", arg: "file", section: clustering, set: text(clusterCert, "a file name"),
		usage: "certificate of this node, for both ends of a connection between nodes"},
	{long: "cluster-tls-key", arg: "file", section: clustering, set: text(clusterKey, "a file name"),
		usage: "its private key"},
	{long: "cluster-tls-ca", arg: "file", section: clustering, set: text(clusterCA, "a file name"),
		usage: "the authority that has signed the certificates of all nodes"},
	{long: "cluster-patience", arg: "duration", section: clustering, set: interval(clusterPatience),
		usage: "how long a request waits for a majority or an owner (default: 2s)"},
	{long: "cluster-suspect", arg: "duration", section: clustering, set: interval(clusterSuspect),
		usage: "the silence after which a node is taken for dead (default: 1.5s)"},
	{long: "cluster-ticks", arg: "duration", section: clustering, set: interval(clusterTick),
		usage: "time between two heartbeats of the engine (default: 100ms)"},

	{long: "admin", arg: "addr", section: watching, set: setAdmin,
		usage: "a page, /metrics and /healthz by HTTP: port, host:port or :port (default: off)"},
	{long: "metrics", arg: "addr", same: "admin", section: watching, set: setAdmin,
		usage: "another name of --admin (default: off)"},
	{long: "admin-host", arg: "name", many: true, section: watching, set: setAdminHost,
		usage: "host names by which browsers may open the page (default: its address)"},
	{long: "admin-auth", arg: "file", section: watching, set: text(adminAuth, "a file name"),
		usage: "ask for a password before the page is shown: lines user:password"},
	{long: "admin-tls", section: watching, set: on(adminTLS),
		usage: "speak TLS there, too, as with clients"},
	{long: "admin-write", section: watching, set: on(adminWrite),
		usage: "let the page release locks"},
	{long: "metrics-classes", arg: "num", section: watching, set: number(metricsClasses, 1, "metrics need room for at least 1 class"),
		usage: "classes of locks with metrics of their own, the busiest ones (default: 100)"},
	{long: "pprof", section: watching, set: on(pprof),
		usage: "serve profiles, too, below /debug/pprof/ (needs --admin)"},

	{short: "A", long: "enable-shutdown", section: commands, set: on(shutdownCommand),
		usage: "let clients stop the server with \"shutdown\""},
	{short: "F", long: "disable-flush-all", section: commands, set: on(noFlush),
		usage: "refuse \"flush_all\", which frees every lock"},
	{short: "X", long: "disable-dumping", section: commands, set: on(noDump),
		usage: "refuse \"stats cachedump\", \"held\", \"detail\" and the dumps of \"lru_crawler\""},
	{short: "B", long: "protocol", arg: "name", section: commands, set: setProtocol,
		usage: "what clients may speak: auto, ascii or binary (default: auto)"},

	{long: "config", arg: "file", section: process, set: text(configFile, "a file name"),
		usage: "a TOML file with flags by their long names; flags and variables win over it"},
	{long: "config-watch", section: process, set: on(configWatch),
		usage: "apply what can change when that file changes, as at SIGHUP"},
	{short: "t", long: "threads", arg: "num", section: process, set: number(threads, 1, "number of threads must be greater than 0"),
		usage: "processors to use (default: 4, or as many as there are)"},
	{short: "u", long: "user", arg: "user", section: process, set: text(userName, "a user name"),
		usage: "become this user (only when started as root)"},
	{short: "P", long: "pidfile", arg: "file", section: process, set: text(pidFile, "a file name"),
		usage: "write the process id there; removed at exit"},
	{short: "d", long: "daemon", section: process, set: on(daemonOf),
		usage: "serve in the background; what is logged is kept only if stderr is a file"},
	{long: "drain", arg: "duration", section: process, set: duration(drain),
		live:  shown(drain),
		usage: "at SIGTERM, SIGINT or SIGUSR1, time to finish requests (default: 5s)"},
	{short: "v", long: "verbose", counted: true, section: process, set: setVerbosity,
		live:  shownLevel,
		usage: "log more; -vv and -vvv log everything"},
	{long: "log-format", arg: "format", section: process, set: oneOf(logFormat, logging.Auto, logging.JSON, logging.Console),
		usage: "json, console, or auto: console on a terminal, else json (default: auto)"},
	{long: "log-level", arg: "level", section: process, set: oneOf(logLevel, logging.Levels...),
		live:  shownLevel,
		usage: "trace, debug, info, warn or error (default: info, or as -v says)"},
	{short: "h", long: "help", section: process, usage: "print this help"},
	{short: "V", long: "version", section: process, usage: "print the version"},
	{short: "i", long: "license", section: process, usage: "print the license"},

	{short: "U", long: "udp-port", arg: "num", section: ignoring, set: setUDPPort,
		usage: "UDP port: there is no UDP; without -p it sets the TCP port"},
	{short: "C", long: "disable-cas", ignored: true, section: ignoring, set: on(casDisabled),
		usage: "no CAS: locks need it"},
	{short: "f", long: "slab-growth-factor", arg: "num", ignored: true, section: ignoring, set: setGrowthFactor,
		usage: "growth factor of slabs: there are no slabs"},
	{short: "n", long: "slab-min-size", arg: "bytes", ignored: true, section: ignoring, set: number(chunkSize, 1, "chunk size must be greater than 0"),
		usage: "smallest chunk: there are no slabs"},
	{short: "L", long: "enable-largepages", ignored: true, section: ignoring, set: accept, usage: "large memory pages"},
	{short: "k", long: "lock-memory", ignored: true, section: ignoring, set: accept, usage: "memory that is never paged out"},
	{short: "r", long: "enable-coredumps", ignored: true, section: ignoring, set: accept, usage: "core dumps"},
	{short: "e", long: "memory-file", arg: "file", ignored: true, section: ignoring, set: accept,
		usage: "items that survive a restart"},
	{short: "N", long: "napi-ids", arg: "num", ignored: true, section: ignoring, set: accept, usage: "threads by network queue"},
	{short: "W", long: "disable-watch", section: ignoring, set: accept,
		usage: "no \"watch\": there is none anyway"},
}

// byLong finds a flag by its long name.
var byLong = indexFlags()

func indexFlags() map[string]*flag {
	index := make(map[string]*flag, len(flags))
	for i := range flags {
		index[flags[i].long] = &flags[i]
	}
	return index
}

// spelling is how the flag is read and described.
func (f *flag) spelling() argv.Flag {
	return argv.Flag{Short: f.short, Long: f.long, Arg: f.arg, Counted: f.counted, Hidden: f.section == ""}
}

// key is the long name under which the values of the flag are kept.
func (f *flag) key() string { return cmp.Or(f.same, f.long) }

// name is the flag as a user writes it.
func (f *flag) name() string {
	if f.short != "" {
		return "-" + f.short
	}
	return "--" + f.long
}

// env is the environment variable that stands for the flag.
func (f *flag) env() string {
	return argv.EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.long, "-", "_"))
}

// urfaveFlags is the table for urfave/cli, which adds the environment. It has no short
// names, since normalise leaves none. Values stay text until we know where they came
// from.
func urfaveFlags() []urfave.Flag {
	var list []urfave.Flag
	for i := range flags {
		f := &flags[i]
		switch {
		case f.set == nil:
			list = append(list, &urfave.BoolFlag{Name: f.long})
		case f.many:
			list = append(list, &urfave.StringSliceFlag{Name: f.long, EnvVars: []string{f.env()}})
		default:
			list = append(list, &urfave.StringFlag{Name: f.long, EnvVars: []string{f.env()}})
		}
	}
	return list
}

// values returns the values that the command line, or else the environment, gives the flag.
func (f *flag) values(ctx *urfave.Context) []string {
	switch {
	case f.set == nil || !ctx.IsSet(f.long):
		return nil
	case f.many:
		return ctx.StringSlice(f.long)
	}
	return []string{ctx.String(f.long)}
}

// isSwitch reports whether the flag is on or off, and has no value.
func (f *flag) isSwitch() bool { return f.arg == "" && !f.counted }

// Flags returns all flags of the server.
func Flags() []argv.Flag {
	list := make([]argv.Flag, len(flags))
	for i := range flags {
		list[i] = flags[i].spelling()
	}
	return list
}

// Variables returns the environment variables that stand for flags.
func Variables() []string {
	names := make([]string, len(flags))
	for i := range flags {
		names[i] = flags[i].env()
	}
	return names
}
