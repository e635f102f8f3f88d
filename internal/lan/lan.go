// Package lan makes networks out of network namespaces, whose links can be cut. It needs root, and the
// command ip.
package lan

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// A LAN is a network of hosts, each a network namespace, on one switch. Clients are at the switch, and
// reach every host, whatever is cut between hosts.
type LAN struct {
	prefix string // of the namespaces' names
	hosts  []string
	cuts   [][2]string // namespace, and address from which it takes nothing
}

// Switch stands for the switch where a host is asked for.
const Switch = -1

// made counts the networks, for their names.
var made atomic.Int64

// New makes a network of so many hosts, which are numbered from 0.
func New(hosts int) (*LAN, error) {
	l := &LAN{prefix: fmt.Sprintf("lan-%d-%d-", os.Getpid(), made.Add(1))}
	hub := l.namespace(Switch)
	err := ipAll(
		[]string{"netns", "add", hub},
		[]string{"-n", hub, "link", "set", "lo", "up"},
		[]string{"-n", hub, "link", "add", "lan", "type", "bridge"},
		[]string{"-n", hub, "address", "add", "10.99.0.254/24", "dev", "lan"},
		[]string{"-n", hub, "link", "set", "lan", "up"},
	)
	for i := range hosts {
		ns, port := l.namespace(i), fmt.Sprint("port", i)
		if err != nil {
			break
		}
		l.hosts = append(l.hosts, ns)
		err = ipAll(
			[]string{"netns", "add", ns},
			[]string{"-n", ns, "link", "set", "lo", "up"},
			[]string{"-n", hub, "link", "add", port, "type", "veth", "peer", "name", "cable", "netns", ns},
			[]string{"-n", hub, "link", "set", port, "master", "lan", "up"},
			[]string{"-n", ns, "address", "add", l.Address(i) + "/24", "dev", "cable"},
			[]string{"-n", ns, "link", "set", "cable", "up"},
			// What comes from a host can be dropped before it is looked up as local.
			[]string{"-n", ns, "rule", "add", "pref", "100", "lookup", "local"},
			[]string{"-n", ns, "rule", "del", "pref", "0"},
		)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close takes the network away.
func (l *LAN) Close() {
	for _, ns := range append(l.hosts, l.namespace(Switch)) {
		_ = ipAll([]string{"netns", "del", ns})
	}
}

func (l *LAN) namespace(host int) string {
	if host == Switch {
		return l.prefix + "switch"
	}
	return fmt.Sprint(l.prefix, host)
}

// Address is the IP address of a host.
func (l *LAN) Address(host int) string { return fmt.Sprint("10.99.0.", host+1) }

// Deafen lets a host take nothing that another one sends.
func (l *LAN) Deafen(host, to int) error {
	cut := [2]string{l.hosts[host], l.Address(to)}
	l.cuts = append(l.cuts, cut)
	return ipAll([]string{"-n", cut[0], "rule", "add", "pref", "10", "from", cut[1], "blackhole"})
}

// Heal undoes all cuts.
func (l *LAN) Heal() (err error) {
	for _, cut := range l.cuts {
		err = errors.Join(err, ipAll([]string{"-n", cut[0], "rule", "del", "pref", "10", "from", cut[1], "blackhole"}))
	}
	l.cuts = nil
	return err
}

// ipAll runs several commands of ip.
func ipAll(commands ...[]string) error {
	for _, args := range commands {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w, %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// Within is the command that runs a program on a host, or at the switch.
func (l *LAN) Within(host int) []string { return []string{"ip", "netns", "exec", l.namespace(host)} }

// Certificate writes a certificate for all hosts, which is its own authority, and its key.
func (l *LAN) Certificate(dir string) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "all hosts"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	for host := range l.hosts {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(l.Address(host)))
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return cert, key, errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
}
