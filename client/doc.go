// Package client gives Go programs locks, on lockcached or on plain memcached, over
// gomemcache.
package client
