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
	// Chain has the server's certificate, followed by those that vouch for it.
	Chain string
	// Key has its private key; "" if the key is in the same file.
	Key string
	// CA has the certificates that vouch for clients; "" if no client certificate is trusted.
	CA string
}

// Certificates are the server's own certificate and the ones that vouch for clients. Safe for
// concurrent use.
type Certificates struct{ source[material] }

type material struct {
	own     tls.Certificate
	clients *x509.CertPool
}

// LoadCertificates reads the files. An error names the file.
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

// Replace takes the certificates of other, and reads its files from now on. other is not used any more.
func (c *Certificates) Replace(other *Certificates) { c.replace(&other.source) }

func (files CertificateFiles) read() (*material, error) {
	own, err := LoadPair(files.Chain, files.Key)
	if err != nil {
		return nil, err
	}
	// An empty pool, because nil would mean all authorities that this machine trusts.
	m := &material{own, x509.NewCertPool()}
	if files.CA != "" {
		m.clients, err = LoadAuthorities(files.CA)
	}
	return m, err
}

// LoadPair reads a certificate, followed by those that vouch for it, and its private key from
// PEM files; key is "" if the private key is in the same file.
func LoadPair(chain, key string) (tls.Certificate, error) {
	key = cmp.Or(key, chain)
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		err = fmt.Errorf("certificate %s with key %s: %w", chain, key, err)
	}
	return pair, err
}

// LoadAuthorities reads certificates that vouch for others, from a PEM file. It is an error if
// there are none.
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

// Config returns a copy of base for a server, in which each handshake uses the certificates
// that were loaded last.
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
