package daemon

import (
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/logging"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

const (
	maxPort = 65535

	mebibyte     = 1 << 20
	minItemSize  = 1 << 10
	maxItemSize  = 1 << 30
	manyThreads  = 64 // above this memcached warns, too
	someThreads  = 4  // memcached's default
	defaultDrain = 5 * time.Second

	defaultMetricsClasses = 100
	defaultFsyncInterval  = time.Second
)

// A config is what the command line and the environment ask for, checked.
type config struct {
	locks   locks.Config
	server  server.Config
	journal journal.Config // no journal without a Dir
	cluster clusterConfig

	port       int // as -p: 0 is no TCP, -1 any free port
	portGiven  bool
	udpPort    int
	listen     []endpoint
	socket     string
	socketMode fs.FileMode

	tls      tlsConfig
	authFile string // "" for no authentication
	sasl     bool
	protocol string // of -B; "" if that was not given

	admin          adminConfig
	metricsClasses int
	pprof          bool

	megabytes       int
	threads         int
	shutdownCommand bool
	user            string
	pidFile         string
	daemon          bool
	drain           time.Duration
	logFormat       string
	logLevel        string

	settings   *settings // what the rest was made of
	configFile string    // of --config; "" for none
	watch      bool      // apply the file again when it changes

	ignored  []string // flags without effect, for one line in the log
	warnings []string // what else is logged at the start
}

func newConfig() *config {
	return &config{
		locks: locks.Config{
			ItemSizeMax:  locks.DefaultItemSizeMax,
			StatsKeys:    locks.DefaultStatsKeys,
			StatsClasses: locks.DefaultStatsClasses,
			MaxWait:      locks.DefaultMaxWait,
			MaxWaiters:   locks.DefaultMaxWaiters,

			MaxWaitersTotal: locks.DefaultMaxWaitersTotal,

			RetryRate:      locks.DefaultRetryRate,
			TotalRetryRate: locks.DefaultTotalRetryRate,
			RetryMax:       locks.DefaultRetryMax,
		},
		server: server.Config{
			MaxConns:    server.DefaultMaxConns,
			KeepAlive:   server.DefaultKeepAlive,
			UserTimeout: server.DefaultUserTimeout,
			SendTimeout: server.DefaultSendTimeout,

			RequestTimeout: server.DefaultRequestTimeout,
			Settings: server.Settings{
				GrowthFactor: 1.25,
				ChunkSize:    48,
				ReqsPerEvent: 20,
				Backlog:      1024,
			},
		},
		journal:    journal.Config{Interval: defaultFsyncInterval},
		port:       argv.DefaultPort,
		socketMode: 0o700,
		megabytes:  locks.DefaultMemoryLimit / mebibyte,
		// The initial GOMAXPROCS respects a container's share of the machine.
		threads:   min(someThreads, runtime.GOMAXPROCS(0)),
		drain:     defaultDrain,
		logFormat: logging.Auto,

		metricsClasses: defaultMetricsClasses,
	}
}

func (c *config) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// level is the log level that --log-level or -v asks for.
func (c *config) level() zerolog.Level {
	if level, err := zerolog.ParseLevel(c.logLevel); err == nil && c.logLevel != "" {
		return level
	}
	switch c.server.Settings.Verbosity {
	case 0:
		return zerolog.InfoLevel
	case 1:
		return zerolog.DebugLevel
	}
	return zerolog.TraceLevel
}
