package credentials

import (
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
	if files.Key == "" {
		files.Key = files.Chain
	}
	c := new(Certificates)
	c.paths = []string{files.Chain, files.Key}
	if files.CA != "" {
		c.paths = append(c.paths, files.CA)
	}
	c.read = files.read
	return c, c.Reload()
}

func (files CertificateFiles) read() (*material, error) {
	own, err := tls.LoadX509KeyPair(files.Chain, files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Chain, files.Key, err)
	}
	// An empty pool, since none at all would stand for all that this machine trusts.
	m := &material{own: own, clients: x509.NewCertPool()}
	if files.CA == "" {
		return m, nil
	}
	text, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, err
	}
	if !m.clients.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: has no certificate in PEM format", files.CA)
	}
	return m, nil
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
