package engine

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// KeyPrefix is that of all keys of lockcached in an engine.
const KeyPrefix = "/lockcached/"

// MaxVoters is how many nodes keep the engine's data, at most: the first of a list. More of them
// make every change slower, and five outlive the loss of two. The other nodes use these.
const MaxVoters = 5

// Peer is a member of a cluster as others know it.
type Peer struct {
	Name    string
	Address string // HOST:PORT
}

// ParsePeers reads a list like a=HOST:PORT,b=HOST:PORT. Names and addresses have to differ;
// a name consists of letters, digits, and any of "-_.".
func ParsePeers(list string) ([]Peer, error) {
	var peers []Peer
	for word := range strings.SplitSeq(list, ",") {
		name, address, found := strings.Cut(word, "=")
		p := Peer{Name: name, Address: address}
		switch {
		case !found:
			return nil, fmt.Errorf("%q is not of the form NAME=HOST:PORT", word)
		case !IsName(name):
			return nil, fmt.Errorf("%q is no name: letters, digits, - _ and . are allowed", name)
		case slices.ContainsFunc(peers, func(q Peer) bool { return q.Name == p.Name }):
			return nil, fmt.Errorf("the name %s is there twice", name)
		case slices.ContainsFunc(peers, func(q Peer) bool { return q.Address == p.Address }):
			return nil, fmt.Errorf("the address %s is there twice", address)
		}
		if err := CheckAddress(address); err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// ParseURLs reads a list of addresses of an engine that runs elsewhere.
func ParseURLs(list string) ([]string, error) {
	urls := strings.Split(list, ",")
	for _, text := range urls {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("should be URLs such as http://HOST:2379, not %q", text)
		}
	}
	return urls, nil
}

// IsName reports whether a member can have that name.
func IsName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// CheckAddress returns why an address is not of the form HOST:PORT.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not of the form HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("%q is not of the form HOST:PORT, with a port from 1 to 65535", address)
	}
	return nil
}

// IsLoopback reports whether the address can be reached from this machine only.
func (p Peer) IsLoopback() bool {
	host, _, _ := net.SplitHostPort(p.Address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
