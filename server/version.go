package server

// Clients and test suites decide by the version number what a server can do, and some
// want it to be nothing but a number. So the answer to "version" is that of the
// memcached that this one stands in for; Release tells lockcached's own.
const (
	Version = "1.6.45"
	Release = "0.1.0"
)
