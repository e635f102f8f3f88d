package daemon

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/credentials"
)

// checkInterval is how often files are checked for changes.
const checkInterval = 2 * time.Second

// A secret is read from files. They are read again while the server runs: at SIGHUP, when they
// change, and, if they are certificates, at a client's refresh_certs.
type secret struct {
	what   string
	source interface {
		Reload() error
		Changed() bool
		Loaded() time.Time
		Files() []string
	}
	log zerolog.Logger
}

// Refresh reads the files again, and logs the outcome. If that fails, the former secret stays in use.
func (s *secret) Refresh() error {
	err := s.source.Reload()
	if err != nil {
		s.log.Error().Err(err).Msg(s.what + " cannot be reloaded, those from before stay in use")
		return err
	}
	s.log.Info().Strs("files", s.source.Files()).Msg(s.what + " reloaded")
	return nil
}

// Loaded returns when the secret in use was read.
func (s *secret) Loaded() time.Time { return s.source.Loaded() }

// loadSecrets reads certificates and passwords, and hands them to the server. A server that
// starts as root is still root here.
func (s *service) loadSecrets() error {
	c := s.config
	if c.tls.enabled {
		certificates, err := credentials.LoadCertificates(c.tls.files)
		if err != nil {
			return exit.Refuse("-Z", err.Error())
		}
		kept := &secret{"certificates", certificates, s.log}
		c.server.Certificates, s.certificates = kept, certificates
		s.secrets = append(s.secrets, kept)
	}
	if c.authFile != "" {
		passwords, err := credentials.LoadPasswords(c.authFile)
		if err != nil {
			return exit.Refuse("-Y", err.Error())
		}
		c.server.Authenticate, s.passwords = passwords.Match, passwords
		s.secrets = append(s.secrets, &secret{"passwords", passwords, s.log})
	}
	if c.admin.passwords != "" {
		passwords, err := credentials.LoadPasswords(c.admin.passwords)
		if err != nil {
			return exit.Refuse("--admin-auth", err.Error())
		}
		s.adminPasswords = passwords
		s.secrets = append(s.secrets, &secret{"passwords of the page", passwords, s.log})
	}
	return nil
}

// reloadChanged reads those secrets again whose files have changed.
func (s *service) reloadChanged() {
	for _, secret := range s.secrets {
		if secret.source.Changed() {
			_ = secret.Refresh()
		}
	}
}
