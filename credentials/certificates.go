package credentials

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// CertificateFiles are files in PEM format.
type CertificateFiles struct {
	// Chain is the server's certificate, followed by those that vouch for it.
	Chain string
	// Key is its private key; "" if that is in the same file.
	Key string
	// CA has the certificates that vouch for clients; "" for nobody's.
	CA string
}

// Certificates show clients who the server is, and tell which clients to believe.
// Safe for concurrent use.
type Certificates struct{ source[material] }

type material struct {
	own     tls.Certificate
	clients *x509.CertPool
}

// LoadCertificates reads the files.
func LoadCertificates(files CertificateFiles) (*Certificates, error) {
	files.Key = cmp.Or(files.Key, files.Chain)
	c := new(Certificates)
	c.paths = []string{files.Chain, files.Key}
	if files.CA != "" {
		c.paths = append(c.paths, files.CA)
	}
	c.read = files.read
	return c, c.Reload()
}

func (files CertificateFiles) read() (*material, error) {
	own, err := LoadPair(files.Chain, files.Key)
	if err != nil {
		return nil, err
	}
	// An empty pool, since none at all would stand for all that this machine trusts.
	m := &material{own, x509.NewCertPool()}
	if files.CA != "" {
		m.clients, err = LoadAuthorities(files.CA)
	}
	return m, err
}

// LoadPair reads a certificate, followed by those that vouch for it, and its private
// key; key is "" if that is in the same file.
func LoadPair(chain, key string) (tls.Certificate, error) {
	key = cmp.Or(key, chain)
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		err = fmt.Errorf("certificate %s with key %s: %w", chain, key, err)
	}
	return pair, err
}

// LoadAuthorities reads certificates that vouch for others.
func LoadAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: has no certificate in PEM format", path)
	}
	return pool, nil
}

// Config makes a configuration for servers of another one: every handshake uses
// the certificates that are in use then.
func (c *Certificates) Config(base *tls.Config) *tls.Config {
	live := base.Clone()
	live.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := c.current.Load()
		config := base.Clone()
		config.Certificates = []tls.Certificate{now.own}
		config.ClientCAs = now.clients
		return config, nil
	}
	return live
}
