package server

// Clients and test suites decide by the version number what a server can do, and some expect
// just a number. So Version, the answer to "version", is the version of the memcached that
// this server replaces. Release is lockcached's own version.
const (
	Version = "1.6.45"
	Release = "0.1.0"
)
