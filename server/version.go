package server

// Clients and test suites decide by the version number what a server can do,
// so ours begins with that of the memcached it stands in for.
const (
	MemcachedVersion = "1.6.45"
	Release          = "0.1.0"
	Version          = MemcachedVersion + "-lockcached-" + Release
)
