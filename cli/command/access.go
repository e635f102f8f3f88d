package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/protocol"
)

// accessEnv is the prefix of the variables of the flags below. The variables of the server's flags
// have nearly the same names, but are for the other end of the connection.
const accessEnv = "LOCKCACHED_CLIENT_"

// An access is how a command gets access to its servers: whether it speaks TLS, which certificate
// it shows, and which user it logs in as.
type access struct {
	secure         bool
	chain, key     string         // files of a client's certificate
	authorities    *x509.CertPool // nil: those that this machine trusts
	name           string         // on the servers' certificates; "" is the host
	user, password string

	tls *tls.Config // made by finish; nil for plain text
}

// options returns the flags. Each flag about TLS turns TLS on.
func (x *access) options() []option {
	secured := func(take func(value string) error) func(string) error {
		return func(value string) error {
			x.secure = true
			return take(value)
		}
	}
	list := []option{
		{long: "tls", usage: "speak TLS, and trust the authorities that this machine trusts", take: x.setTLS},
		{long: "tls-ca", arg: "file", usage: "speak TLS, and trust these authorities instead", take: secured(x.setAuthorities)},
		{long: "tls-cert", arg: "file", usage: "speak TLS, and show this certificate, in PEM", take: secured(nonEmpty(&x.chain))},
		{long: "tls-key", arg: "file", usage: "its private key, unless that is in the same file", take: secured(nonEmpty(&x.key))},
		{long: "tls-name", arg: "name", usage: "what the servers' certificates say instead of the host", take: secured(nonEmpty(&x.name))},
		{long: "auth-file", arg: "file", usage: "log in: the first line user:password of that file", take: x.setLogin},
	}
	for i := range list {
		list[i].variable = accessEnv + strings.ToUpper(strings.ReplaceAll(list[i].long, "-", "_"))
	}
	return list
}

// setTLS takes the value of the variable, or "" for the switch.
func (x *access) setTLS(value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil && value != "" {
		return errors.New("should be true or false")
	}
	x.secure = x.secure || on || value == ""
	return nil
}

func (x *access) setAuthorities(path string) (err error) {
	x.authorities, err = credentials.LoadAuthorities(path)
	return err
}

// nonEmpty takes any text but "".
func nonEmpty(to *string) func(string) error {
	return func(value string) error {
		if *to = value; value == "" {
			return errors.New("should not be empty")
		}
		return nil
	}
}

func (x *access) setLogin(path string) (err error) {
	x.user, x.password, err = credentials.LoadLogin(path)
	return err
}

// finish checks what depends on more than one flag, and makes the TLS configuration.
func (x *access) finish(servers []string) error {
	if !x.secure {
		return nil
	}
	for _, server := range servers {
		if network(server) == "unix" {
			return exit.Refuse("--server "+server, "a Unix socket speaks no TLS: leave out --tls and the like")
		}
	}
	x.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x.authorities, ServerName: x.name}
	switch {
	case x.chain != "":
		pair, err := credentials.LoadPair(x.chain, x.key)
		if err != nil {
			return exit.Refuse("--tls-cert", err.Error())
		}
		x.tls.Certificates = []tls.Certificate{pair}
	case x.key != "":
		return exit.Refuse("--tls-key "+x.key, "needs --tls-cert, the certificate that it belongs to")
	}
	return nil
}

// errNoLogin is the error of a server that requires a login when the command has none.
var errNoLogin = errors.New("wants a user and a password: --auth-file is missing")

// cause returns what went wrong with a connection, without the address, which the caller adds.
func (x *access) cause(err error) error {
	op, isOp := err.(*net.OpError) // an error that wraps one has more to say
	switch {
	case isOp && op.Timeout():
		return fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
	case isOp:
		return op.Err
	}
	return errors.New(x.plainly(err))
}

// plainly returns an error's text for people who do not know Go packages. If the cause may be a
// missing flag, the text names it.
func (x *access) plainly(err error) string {
	text := strings.ReplaceAll(err.Error(), "client: ", "")
	_, misnamed := errors.AsType[x509.HostnameError](err)
	switch {
	case misnamed:
		text += " (--tls-name says whose it may be instead)"
	case x.tls == nil && errors.Is(err, io.EOF):
		text += " (does the server speak TLS? then --tls is missing)"
	case strings.Contains(text, protocol.ErrNoLogin.Line):
		text = "the server " + errNoLogin.Error()
	}
	return text
}

// network returns the network to dial a server on. addServer has checked the address.
func network(server string) string {
	addr, err := client.ParseServer(server)
	if err != nil {
		return "tcp"
	}
	return addr.Network()
}
