package credentials

import (
	"crypto/tls"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/testcert"
)

// meet lets a client and a server shake hands, and returns the name on the
// server's certificate.
func meet(server, client *tls.Config) (name string, err error) {
	near, far := net.Pipe()
	defer near.Close()
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		served <- tls.Server(far, server).Handshake()
	}()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	c := tls.Client(near, client)
	if err := c.Handshake(); err != nil {
		return "", err
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, <-served
}

func TestCertificatesAreReplaced(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("first")
	c, err := LoadCertificates(CertificateFiles{Chain: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config(&tls.Config{MinVersion: tls.VersionTLS12})
	wantName := func(want string) {
		t.Helper()
		if name, err := meet(config, ca.Client("")); err != nil || name != want {
			t.Errorf("met %q, %v, want %q", name, err, want)
		}
	}
	wantName("first")

	ca.Replace("second", cert, key)
	wantName("first")
	if !c.Changed() || c.Reload() != nil {
		t.Error("not reloaded")
	}
	wantName("second")

	other, _ := ca.Issue("third")
	text, _ := os.ReadFile(other)
	write(t, cert, string(text))
	if err := c.Reload(); err == nil || !strings.Contains(err.Error(), "certificate "+cert+" with key "+key) {
		t.Errorf("a certificate with the key of another one: %v", err)
	}
	wantName("second")
}

func TestCertificateAndKeyInOneFile(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("both")
	text, _ := os.ReadFile(cert)
	more, _ := os.ReadFile(key)
	write(t, cert, string(text)+string(more))
	c, err := LoadCertificates(CertificateFiles{Chain: cert})
	if err != nil {
		t.Fatal(err)
	}
	if name, err := meet(c.Config(&tls.Config{}), ca.Client("")); err != nil || name != "both" {
		t.Errorf("met %q, %v", name, err)
	}
}

// Only clients with a certificate of the CA are let in; without a CA, no client is.
func TestClientCertificates(t *testing.T) {
	ca, stranger := testcert.NewAuthority(t), testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	ofStranger := ca.Client("")
	ofStranger.Certificates = stranger.Client("mallory").Certificates
	tests := []struct {
		name, ca string
		client   *tls.Config
		welcome  bool
	}{
		{"known", ca.File, ca.Client("alice"), true},
		{"stranger", ca.File, ofStranger, false},
		{"none", ca.File, ca.Client(""), false},
		{"known, no CA", "", ca.Client("alice"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := LoadCertificates(CertificateFiles{Chain: cert, Key: key, CA: tt.ca})
			if err != nil {
				t.Fatal(err)
			}
			// In TLS 1.2 the client learns of a refusal before its handshake ends.
			config := c.Config(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12})
			if _, err := meet(config, tt.client); (err == nil) != tt.welcome {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestBadCA(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	if _, err := LoadCertificates(CertificateFiles{cert, key, key}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a key for a CA: %v", err)
	}
	if _, err := LoadCertificates(CertificateFiles{cert, key, cert + "x"}); !os.IsNotExist(err) {
		t.Errorf("an absent CA: %v", err)
	}
}
