// Clients for the binary protocol that the tests play with. They are a module of their own so that lockcached's go.mod does
// not need them.
module goclients

go 1.26.0

require (
	github.com/couchbase/gomemcached v0.3.4
	github.com/rainycape/memcache v0.0.0-20150622160815-1031fa0ce2f2
)

require (
	github.com/couchbase/goutils v0.1.2 // indirect
	github.com/google/flatbuffers v24.3.25+incompatible // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	golang.org/x/crypto v0.32.0 // indirect
)
