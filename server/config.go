package server

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
)

// Config is how a Server meets its clients. Only Locks is required.
type Config struct {
	// Locks gives meaning to the requests.
	Locks *locks.Manager
	// MaxConns bounds the connections served at a time; one more is told
	// "ERROR Too many open connections". 0 means DefaultMaxConns.
	MaxConns int
	// IdleTimeout closes a connection that has sent nothing for that long.
	// 0 means never.
	IdleTimeout time.Duration
	// SendTimeout closes a connection whose client has taken nothing for that long
	// of the answers that are ready. 0 means DefaultSendTimeout.
	SendTimeout time.Duration
	// RequestTimeout closes a connection on which a request has begun and nothing
	// more of it has come for that long, or which brings less than 1 KB a second
	// after that time. 0 means DefaultRequestTimeout.
	RequestTimeout time.Duration
	// KeepAlive is the time after which a silent TCP peer is probed, and
	// UserTimeout the time sent data may stay unacknowledged before the
	// connection is given up. 0 means DefaultKeepAlive and DefaultUserTimeout.
	KeepAlive, UserTimeout time.Duration
	// justGranted is for how long after a grant a reset withdraws it. 0 means
	// defaultJustGranted.
	justGranted time.Duration
	// Authenticate tells who may ask for anything: clients have to send a user and a
	// password first, memcached's way. nil means everybody, without.
	Authenticate func(user, password []byte) bool
	// Certificates are those of ServeTLS; nil if that is not used.
	Certificates Certificates
	// NoFlush makes flush_all a CLIENT_ERROR (memcached's -F).
	NoFlush bool
	// NoDump refuses what lists keys: "stats cachedump", "stats held", "stats detail" and
	// the dumps of "lru_crawler" (memcached's -X).
	NoDump bool
	// Shutdown is called for the shutdown command; nil answers that it is not
	// enabled (memcached's -A turns it on).
	Shutdown func(graceful bool)
	// MemoryLimitChanged is called, if it is not nil, when a client has changed how
	// many bytes items may take, with cache_memlimit.
	MemoryLimitChanged func(bytes int64)
	// Settings is what "stats settings" prints beyond what the Server knows.
	Settings Settings
	// Logger gets connection-level events. It must not wait for whoever reads them.
	Logger zerolog.Logger
	// LogCounts tells how many lines of the log were written, and how many dropped
	// because nobody read them; nil if that is not known.
	LogCounts func() (written, dropped uint64)
}

// Settings are the values that "stats settings" shows as they were given on
// the command line. But for the few that say so they change nothing in the
// Server itself.
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
	Protocol                      string // -B: auto-negotiate, ascii or ProtocolBinary
	NoLRUCrawler, NoLRUMaintainer bool   // -o no_lru_crawler ...: "stats" leaves out their counters
	AuthFile                      string // -Y; "" prints no
	TLS                           TLSSettings
}

// TLSSettings are the values of memcached's -o ssl_....
type TLSSettings struct {
	Chain, Key, CA string // files; "" prints NULL
	VerifyMode     int    // as OpenSSL numbers them: 0 none, 1 if given, 3 required
	WriteBuffer    int    // bytes; 0 prints DefaultWriteBuffer
	SessionCache   bool   // sessions can be resumed
	MinVersion     uint16 // as crypto/tls numbers them
}

// ProtocolBinary is the protocol that is asked for by -B binary and not spoken:
// every client is hung up on, as memcached does with those that speak text then.
const ProtocolBinary = "binary"

// What the zero values of a Config stand for.
const (
	DefaultMaxConns    = 1024
	DefaultKeepAlive   = 30 * time.Second
	DefaultUserTimeout = 30 * time.Second
	DefaultWriteBuffer = 16 << 10
	DefaultSendTimeout = 30 * time.Second
	// A person who types a value by hand is not to notice.
	DefaultRequestTimeout = time.Minute
)
