// Package credentials reads the files by which a server lets clients in, and those with which
// a client logs in: certificates, and the passwords of memcached's -Y. It only knows files: no
// sockets, no protocol.
//
// A server can read its files again while they are in use. If a file has become invalid, what
// was read before stays in use.
package credentials
