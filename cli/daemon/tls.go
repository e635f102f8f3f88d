package daemon

import (
	"crypto/tls"
	"errors"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/server"
)

// A tlsConfig is what -Z, --tls-... and memcached's -o ssl_... ask for.
type tlsConfig struct {
	enabled     bool
	files       credentials.CertificateFiles
	verify      int // as memcached's ssl_verify_mode: an index of clientAuth
	minVersion  uint16
	writeBuffer int // bytes, for "stats settings" alone
	sessions    bool
}

// What memcached's ssl_verify_mode demands of clients, and OpenSSL's numbers for that, which
// "stats settings" prints. The last mode is for protocols that can ask twice.
var (
	clientAuth  = [...]tls.ClientAuthType{tls.NoClientCert, tls.VerifyClientCertIfGiven, tls.RequireAndVerifyClientCert, tls.RequireAndVerifyClientCert}
	verifyModes = [...]int{0, 1, 3, 7}
)

const verifyRequired = 2 // of ssl_verify_mode

// A tlsMode says how TLS at one address of -l differs from TLS at the others.
type tlsMode string

const (
	tlsAsSet  tlsMode = ""
	tlsOff    tlsMode = "notls:" // plain text
	tlsNoPeer tlsMode = "btls:"  // no client certificates
	tlsPeer   tlsMode = "mtls:"  // client certificates, required
)

// cutTLSMode takes the mode off an address of -l.
func cutTLSMode(text string) (tlsMode, string) {
	for _, mode := range []tlsMode{tlsOff, tlsNoPeer, tlsPeer} {
		if rest, ok := strings.CutPrefix(text, string(mode)); ok {
			return mode, rest
		}
	}
	return tlsAsSet, text
}

func enableTLS(c *config) *bool  { return &c.tls.enabled }
func tlsKey(c *config) *string   { return &c.tls.files.Key }
func tlsCA(c *config) *string    { return &c.tls.files.CA }
func tlsChain(c *config) *string { return &c.tls.files.Chain }

// setCertificate is for our own flag --tls-cert, which turns TLS on by itself.
func setCertificate(c *config, value string) error {
	c.tls.enabled = true
	return text(tlsChain, "a file name")(c, value)
}

// setClientCA is for our own flag --tls-ca, which requires a certificate of every client.
func setClientCA(c *config, value string) error {
	c.tls.verify = verifyRequired
	return text(tlsCA, "a file name")(c, value)
}

// tlsSuboptions are the options of memcached's -o for TLS that have a meaning here.
var tlsSuboptions = map[string]setter{
	"ssl_chain_cert":    text(tlsChain, "a file name, as in ssl_chain_cert=cert.pem"),
	"ssl_key":           text(tlsKey, "a file name, as in ssl_key=key.pem"),
	"ssl_ca_cert":       text(tlsCA, "a file name, as in ssl_ca_cert=ca.pem"),
	"ssl_verify_mode":   setVerifyMode,
	"ssl_min_version":   setMinVersion,
	"ssl_keyformat":     setKeyFormat,
	"ssl_wbuf_size":     setWriteBuffer,
	"ssl_session_cache": setSessionCache,
}

func setVerifyMode(c *config, value string) error {
	mode, err := strconv.Atoi(value)
	if err != nil || mode < 0 || mode >= len(clientAuth) {
		return errors.New("ssl_verify_mode is 0 (no client certificates), 1 (verified if given), 2 or 3 (required)")
	}
	c.tls.verify = mode
	return nil
}

func setMinVersion(c *config, value string) error {
	switch value {
	case "0", "1":
		c.warn("-o ssl_min_version=%s: TLS 1.0 and 1.1 are broken and not spoken; the least is 1.2", value)
	case "2":
		c.tls.minVersion = tls.VersionTLS12
	case "3":
		c.tls.minVersion = tls.VersionTLS13
	default:
		return errors.New("ssl_min_version is 2 (TLS 1.2) or 3 (TLS 1.3)")
	}
	return nil
}

func setKeyFormat(_ *config, value string) error {
	if value != "1" {
		return errors.New("ssl_keyformat is 1 (PEM); convert other keys with openssl pkey")
	}
	return nil
}

func setWriteBuffer(c *config, value string) error {
	kilobytes, err := strconv.ParseUint(value, 10, 20)
	if err != nil {
		return errors.New("ssl_wbuf_size is a number of kilobytes")
	}
	c.tls.writeBuffer = int(kilobytes) << 10
	return nil
}

func setSessionCache(c *config, _ string) error {
	c.tls.sessions = true
	return nil
}

// finishTLS checks what depends on more than one flag.
func (c *config) finishTLS() error {
	t := &c.tls
	c.server.Settings.TLS = server.TLSSettings{
		Chain: t.files.Chain, Key: t.files.Key, CA: t.files.CA, VerifyMode: verifyModes[t.verify],
		WriteBuffer: t.writeBuffer, SessionCache: t.sessions, MinVersion: t.minVersion,
	}
	if !t.enabled {
		return c.finishWithoutTLS()
	}
	needsCA := t.verify > 0
	for _, e := range c.listen {
		needsCA = needsCA || e.tls == tlsPeer
	}
	switch {
	case t.files.Chain == "":
		return exit.Refuse("-Z", "needs a certificate, as in --tls-cert cert.pem --tls-key key.pem")
	case c.port == 0 && c.socket == "":
		return exit.Refuse("-Z with -p 0", "you cannot enable SSL without a TCP port")
	case c.socket != "":
		c.warn("-Z: a Unix socket speaks plain text all the same")
	case needsCA && t.files.CA == "":
		c.warn("client certificates are asked for, and none can be verified; name their authority with --tls-ca")
	}
	return nil
}

func (c *config) finishWithoutTLS() error {
	for _, e := range c.listen {
		if e.tls != tlsAsSet {
			return exit.Refuse("-l "+e.text, string(e.tls)+" needs TLS; turn it on with -Z")
		}
	}
	if c.tls.files != (credentials.CertificateFiles{}) {
		c.warn("there are certificates, but TLS is off; turn it on with -Z")
	}
	return nil
}
