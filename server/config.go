package server

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/stats"
)

// Config configures a Server. Only Locks is required.
type Config struct {
	// Locks carries out the requests.
	Locks *locks.Manager
	// Cluster passes on the requests about keys that other nodes serve; nil for one server.
	Cluster Cluster
	// Pause, in a cluster, is for how long this process may stand still without other nodes taking
	// over. After that, releases that name no token are refused among the input that was there by
	// then. 0 means 1.5 s.
	Pause time.Duration
	// MaxConns bounds the connections served at a time. A further one is answered
	// "ERROR Too many open connections". 0 means DefaultMaxConns.
	MaxConns int
	// IdleTimeout closes a connection that has sent nothing for that long.
	// 0 means never.
	IdleTimeout time.Duration
	// SendTimeout closes a connection whose client has read nothing of its pending
	// answers for that long. 0 means DefaultSendTimeout.
	SendTimeout time.Duration
	// RequestTimeout closes a connection on which a request has begun, if no more of
	// it arrives for that long, or if it arrives at less than 1 KB a second after
	// that time. 0 means DefaultRequestTimeout.
	RequestTimeout time.Duration
	// KeepAlive is the time after which a silent TCP peer is probed, and
	// UserTimeout the time sent data may stay unacknowledged before the
	// connection is given up. 0 means DefaultKeepAlive and DefaultUserTimeout.
	KeepAlive, UserTimeout time.Duration
	// justGranted is how long after a grant a reset still withdraws it. 0 means
	// defaultJustGranted.
	justGranted time.Duration
	// Dialects are the protocols that clients may speak (memcached's -B).
	Dialects protocol.Dialects
	// Authenticate reports whether a client may log in: clients have to send a user
	// and a password first, as with memcached's -Y and -S. nil means that no login is needed.
	Authenticate func(user, password []byte) bool
	// Certificates are the ones that ServeTLS uses; nil without TLS.
	Certificates Certificates
	// NoFlush makes flush_all a CLIENT_ERROR (memcached's -F).
	NoFlush bool
	// NoDump refuses the commands that list keys: "stats cachedump", "stats held",
	// "stats detail" and the dumps of "lru_crawler" (memcached's -X).
	NoDump bool
	// NoBatchCalls reads and writes each socket with a system call of its own, even where the
	// kernel would do that for many sockets with one call.
	NoBatchCalls bool
	// Shutdown is called for the shutdown command. If it is nil, the command is not
	// enabled (memcached's -A enables it).
	Shutdown func(graceful bool)
	// MemoryLimitChanged, if not nil, is called when a client sets with cache_memlimit
	// how many bytes items may take.
	MemoryLimitChanged func(bytes int64)
	// Settings is what "stats settings" prints and the Server does not know otherwise.
	Settings Settings
	// Logger gets connection-level events. It must not wait for the reader of the log.
	Logger zerolog.Logger
	// LogCounts returns how many lines of the log were written, and how many were
	// dropped because nobody read them; nil if that is not known.
	LogCounts func() (written, dropped uint64)
}

// Settings are values from the command line that "stats settings" shows. Only a few of
// them change what the Server does.
type Settings struct {
	TCPPort                       int
	UDPPort                       int
	Inter                         string // the -l addresses, comma separated; "" prints NULL
	DomainSocket                  string // "" prints NULL
	Umask                         int    // access mask of the Unix socket (-a)
	Verbosity                     int
	GrowthFactor                  float64
	ChunkSize                     int
	Threads                       int  // loops that serve sockets; 0 means GOMAXPROCS
	StatKeyPrefix                 byte // -D; 0 prints ':'
	DetailEnabled                 bool // -D also turns on "stats detail"
	ReqsPerEvent                  int
	CASDisabled                   bool // -C: accepted, printed, without effect
	Backlog                       int
	Protocol                      string // -B: auto-negotiate, ascii or binary
	NoLRUCrawler, NoLRUMaintainer bool   // -o no_lru_crawler ...: "stats" leaves out their counters
	AuthFile                      string // -Y; "" prints no
	TLS                           TLSSettings
	More                          []stats.Field // what follows the others
}

// TLSSettings are the values of memcached's -o ssl_....
type TLSSettings struct {
	Chain, Key, CA string // files; "" prints NULL
	VerifyMode     int    // as OpenSSL numbers them: 0 none, 1 if given, 3 required
	WriteBuffer    int    // bytes; 0 prints DefaultWriteBuffer
	SessionCache   bool   // sessions can be resumed
	MinVersion     uint16 // as crypto/tls numbers them
}

// What the zero values of a Config stand for.
const (
	DefaultMaxConns    = 1024
	DefaultKeepAlive   = 30 * time.Second
	DefaultUserTimeout = 30 * time.Second
	DefaultWriteBuffer = 16 << 10
	DefaultSendTimeout = 30 * time.Second
	// Long enough for a person who types a value by hand.
	DefaultRequestTimeout = time.Minute
)

// Reconfigure puts into effect what can change of c while the Server runs: MaxConns, and of Settings
// the AuthFile, TLS and More. It closes no connection: if there are more than MaxConns, no further
// ones are served until enough have gone.
func (s *Server) Reconfigure(c Config) {
	c.setDefaults()
	s.live.Store(&c)
}

// BoundRequests bounds the memory, in bytes, of requests that have not arrived completely, and of
// answers that clients have not read, for a memory limit of items. New does that, too.
func (s *Server) BoundRequests(limit int64) {
	s.unfinished.Resize(limit)
	s.unread.Resize(unreadShare * limit)
}
