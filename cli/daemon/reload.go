package daemon

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/term"
	"github.com/lockcached/lockcached/credentials"
	"github.com/lockcached/lockcached/stats"
)

// reloads count what became of SIGHUP and of changed files, for "stats settings".
type reloads struct {
	done, failed uint64
	last         time.Time // of those done
	seen         os.FileInfo
}

// reload applies the file of --config again, and reads certificates and passwords again, for SIGHUP.
// If the file is bad, nothing changes.
func (s *service) reload() {
	switch {
	case s.config.settings.file != nil:
		s.reloadConfig(s.refreshSecrets)
	case len(s.secrets) > 0:
		s.count(s.refreshSecrets())
	default:
		s.count(true)
		s.log.Info().Msg("nothing to reload")
	}
}

// refreshSecrets reads certificates and passwords again, and reports whether they are all good.
func (s *service) refreshSecrets() bool {
	ok := true
	for _, secret := range s.secrets {
		ok = secret.Refresh() == nil && ok // it logs its error
	}
	return ok
}

// count counts a reload, and publishes that.
func (s *service) count(ok bool) {
	if ok {
		s.reloads.done++
		s.reloads.last = time.Now()
	} else {
		s.reloads.failed++
	}
	s.publish()
}

// publish hands the configuration in effect to the server.
func (s *service) publish() {
	s.config.server.Settings.More = s.rows()
	s.server.Reconfigure(s.config.server)
}

// rows are what "stats settings" has besides memcached's settings.
func (s *service) rows() []stats.Field {
	file, last := "NULL", "0"
	if s.config.configFile != "" {
		file = term.Printable(s.config.configFile)
	}
	if !s.reloads.last.IsZero() {
		last = strconv.FormatInt(s.reloads.last.Unix(), 10)
	}
	return append(s.config.rows(),
		stats.Field{Name: "config_file", Text: file},
		stats.Field{Name: "reloads", Text: strconv.FormatUint(s.reloads.done, 10)},
		stats.Field{Name: "reload_errors", Text: strconv.FormatUint(s.reloads.failed, 10)},
		stats.Field{Name: "last_reload", Text: last})
}

// reloadChangedConfig applies the file again if it has changed since it was read last.
func (s *service) reloadChangedConfig() {
	now, _ := os.Stat(s.config.configFile)
	if old := s.reloads.seen; now != nil && old != nil && os.SameFile(now, old) &&
		now.Size() == old.Size() && now.ModTime().Equal(old.ModTime()) || now == nil && old == nil {
		return
	}
	s.reloadConfig(func() bool { return true })
}

// reloadConfig applies the file of --config again. If it is good, also reports whether the rest of the
// reload is. When the outcome is logged, the reload has been counted.
func (s *service) reloadConfig(also func() bool) {
	s.reloads.seen, _ = os.Stat(s.config.configFile) // first: a change while it is read is one more
	next, fixed, err := s.config.next()
	var replace func()
	if err == nil {
		replace, err = s.newSecrets(next)
	}
	if err != nil {
		s.count(false)
		s.log.Error().Err(err).Msg("the configuration cannot be reloaded, all stays as it was")
		return
	}
	replace()
	changed := s.config.differences(next)
	s.level.Set(min(s.config.level(), next.level())) // while there is something to say about the change
	s.apply(next)
	s.count(also())
	if len(fixed) > 0 {
		s.log.Warn().Strs("flags", fixed).Msg("cannot change while the server runs: restart it to apply them")
	}
	s.log.Info().Strs("changed", changed).Str("file", next.configFile).Msg("configuration reloaded")
	s.level.Set(next.level())
}

// next is the configuration that the file asks for now, except for what cannot change, whose flags
// are listed.
func (c *config) next() (next *config, fixed []string, err error) {
	asked, err := c.settings.again()
	if err != nil {
		return nil, nil, err
	}
	all := maps.Clone(asked.all)
	for i := range flags {
		f := &flags[i]
		old, now := c.settings.all[f.long], asked.all[f.long]
		if f.canChange(old, now) || slices.Equal(texts(old), texts(now)) {
			continue
		}
		fixed = append(fixed, f.long+": "+joined(old)+" -> "+joined(now))
		delete(all, f.long)
		if old != nil {
			all[f.long] = old
		}
	}
	asked.all = all
	if next, err = asked.config(); err != nil {
		return nil, nil, err
	}
	return next, fixed, next.finish()
}

// canChange reports whether the flag can go from old to now while the server runs.
func (f *flag) canChange(old, now []given) bool {
	return f.live != nil && !(f.isFixed && (len(old) == 0) != (len(now) == 0))
}

// joined are a flag's values, for people.
func joined(list []given) string {
	return cmp.Or(strings.Join(texts(list), ","), "default")
}

// differences are the live settings that differ, with their old and new values.
func (c *config) differences(next *config) []string {
	changed := []string{}
	for i := range flags {
		f := &flags[i]
		if f.live == nil || slices.Equal(texts(c.settings.all[f.long]), texts(next.settings.all[f.long])) {
			continue
		}
		if old, now := f.live(c), f.live(next); old != now {
			changed = append(changed, f.long+": "+old+" -> "+now)
		}
	}
	return changed
}

// apply puts a configuration into effect. Its warnings are logged if they are new.
func (s *service) apply(next *config) {
	old := s.config
	if next.server.MaxConns > old.server.MaxConns {
		raiseFileLimit(next)
	}
	for _, warning := range next.warnings {
		if !slices.Contains(old.warnings, warning) {
			s.log.Warn().Msg(warning)
		}
	}
	now := *old
	now.settings, now.locks, now.megabytes = next.settings, next.locks, next.megabytes
	now.drain, now.authFile, now.tls.files = next.drain, next.authFile, next.tls.files
	now.logLevel = next.logLevel
	now.server.Settings.Verbosity = next.server.Settings.Verbosity
	now.server.MaxConns = next.server.MaxConns
	now.server.Settings.AuthFile, now.server.Settings.TLS = next.server.Settings.AuthFile, next.server.Settings.TLS
	s.config = &now
	s.manager.Reconfigure(now.locks)
	s.boundAgain(old)
	s.publish()
}

// newSecrets reads the certificates and passwords of a configuration whose files have other names.
// The function that it returns puts them into effect.
func (s *service) newSecrets(next *config) (replace func(), err error) {
	var certificates *credentials.Certificates
	var passwords *credentials.Passwords
	if s.certificates != nil && next.tls.files != s.config.tls.files {
		if certificates, err = credentials.LoadCertificates(next.tls.files); err != nil {
			return nil, err
		}
	}
	if s.passwords != nil && next.authFile != s.config.authFile {
		if passwords, err = credentials.LoadPasswords(next.authFile); err != nil {
			return nil, err
		}
	}
	return func() {
		if certificates != nil {
			s.certificates.Replace(certificates)
		}
		if passwords != nil {
			s.passwords.Replace(passwords)
		}
	}, nil
}
