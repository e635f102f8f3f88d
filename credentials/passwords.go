package credentials

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"os"
)

// Passwords are the users in a file of lines user:password. Safe for concurrent use.
type Passwords struct{ source[[]entry] }

// entry is a user, with digests instead of the words. Digests all have the same length, and a
// memory dump does not show the password.
type entry struct{ user, password [sha256.Size]byte }

// LoadPasswords reads the file. It is an error if the file names no user.
func LoadPasswords(path string) (*Passwords, error) {
	p := new(Passwords)
	p.paths = []string{path}
	p.read = func() (*[]entry, error) { return readPasswords(path) }
	return p, p.Reload()
}

// Replace takes the users of other, and reads its file from now on. other is not used any more.
func (p *Passwords) Replace(other *Passwords) { p.replace(&other.source) }

// Match reports whether the file has this user with this password. A user with a realm,
// user@realm, may be in the file without it, and one without a realm may have this host's name
// there, as in a password file of memcached's SASL. The time that it takes does not tell whether
// either is right.
func (p *Passwords) Match(user, password []byte) bool {
	asked := newEntry(user, password)
	also := sha256.Sum256(otherName(user))
	found := 0
	for _, e := range *p.current.Load() {
		known := subtle.ConstantTimeCompare(e.user[:], asked.user[:]) | subtle.ConstantTimeCompare(e.user[:], also[:])
		found |= known & subtle.ConstantTimeCompare(e.password[:], asked.password[:])
	}
	return found == 1
}

var hostname, _ = os.Hostname()

// otherName is a user without the realm or, if there is none, with this host for it.
func otherName(user []byte) []byte {
	if name, _, ok := bytes.Cut(user, []byte{'@'}); ok {
		return name
	}
	return append(append(bytes.Clone(user), '@'), hostname...)
}

func newEntry(user, password []byte) entry {
	return entry{sha256.Sum256(user), sha256.Sum256(password)}
}

func readPasswords(path string) (*[]entry, error) {
	logins, err := readLogins(path)
	if err != nil {
		return nil, err
	}
	list := make([]entry, len(logins))
	for i, l := range logins {
		list[i] = newEntry(l.user, l.password)
	}
	return &list, nil
}
