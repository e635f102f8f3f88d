// Package credentials reads the files that say who may come in: certificates, and
// the passwords of memcached's -Y. It knows files: no sockets, no protocol.
//
// What was read can be read again while it is in use. A file that has become bad
// leaves in place what was good.
package credentials
