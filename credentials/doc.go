// Package credentials reads the files that say who may come in, and those with which a
// client comes in: certificates, and the passwords of memcached's -Y. It knows files: no
// sockets, no protocol.
//
// What a server has read can be read again while it is in use. A file that has become
// bad leaves in place what was good.
package credentials
