//go:build linux

package main

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
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A lan is a network of hosts, each a network namespace, on one switch. Clients are at the switch, and
// reach every host, whatever is cut between hosts.
type lan struct {
	prefix string // of the namespaces' names
	hosts  []string
	cuts   [][2]string // namespace, and address from which it takes nothing
}

const lanSwitch = "switch"

// newLAN makes a network of so many hosts. Close it even after an error.
func newLAN(hosts int) (*lan, error) {
	l := &lan{prefix: fmt.Sprintf("torture-%d-", os.Getpid())}
	hub := l.prefix + lanSwitch
	err := ipAll(
		[]string{"netns", "add", hub},
		[]string{"-n", hub, "link", "set", "lo", "up"},
		[]string{"-n", hub, "link", "add", "lan", "type", "bridge"},
		[]string{"-n", hub, "address", "add", "10.99.0.254/24", "dev", "lan"},
		[]string{"-n", hub, "link", "set", "lan", "up"},
	)
	for i := range hosts {
		ns, port := fmt.Sprint(l.prefix, i), fmt.Sprint("port", i)
		if err != nil {
			break
		}
		l.hosts = append(l.hosts, ns)
		err = ipAll(
			[]string{"netns", "add", ns},
			[]string{"-n", ns, "link", "set", "lo", "up"},
			[]string{"-n", hub, "link", "add", port, "type", "veth", "peer", "name", "cable", "netns", ns},
			[]string{"-n", hub, "link", "set", port, "master", "lan", "up"},
			[]string{"-n", ns, "address", "add", l.address(i) + "/24", "dev", "cable"},
			[]string{"-n", ns, "link", "set", "cable", "up"},
			// What comes from a host can be dropped before it is looked up as local.
			[]string{"-n", ns, "rule", "add", "pref", "100", "lookup", "local"},
			[]string{"-n", ns, "rule", "del", "pref", "0"},
		)
	}
	return l, err
}

func (l *lan) close() {
	for _, ns := range append(l.hosts, l.prefix+lanSwitch) {
		_ = ipAll([]string{"netns", "del", ns})
	}
}

func (l *lan) address(host int) string { return fmt.Sprint("10.99.0.", host+1) }

// deafen lets a host take nothing that another one sends.
func (l *lan) deafen(host, to int) error {
	cut := [2]string{l.hosts[host], l.address(to)}
	l.cuts = append(l.cuts, cut)
	return ipAll([]string{"-n", cut[0], "rule", "add", "pref", "10", "from", cut[1], "blackhole"})
}

// heal undoes all cuts.
func (l *lan) heal() (err error) {
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

// enters is the command that runs a program on a host, or at the switch.
func (l *lan) enters(host string) []string { return []string{"ip", "netns", "exec", l.prefix + host} }

// dial connects from the switch.
func (l *lan) dial(addr string) (c *client, err error) {
	entry := enter(l.prefix+lanSwitch, func() { c, err = dial(addr) })
	if entry != nil {
		return nil, entry
	}
	return c, err
}

// enter calls do in a network namespace: sockets that it opens belong there for good.
func enter(ns string, do func()) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + ns)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	defer func() {
		// A thread that cannot go back stays locked, and ends with its goroutine.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	do()
	return nil
}

// certificate writes a certificate for these addresses, which is its own authority, and its key.
func certificate(dir string, addresses []string) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "torture"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
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
