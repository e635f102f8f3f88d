package credentials

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxPasswordFile bounds the file in bytes: what is longer is some other file.
const maxPasswordFile = 1 << 20

// Passwords are the users of a file with lines such as user:password. Safe for
// concurrent use.
type Passwords struct{ source[[]entry] }

// entry is a user, with digests instead of the words: these are of one length, and
// a dump of the memory does not tell the password.
type entry struct{ user, password [sha256.Size]byte }

// LoadPasswords reads the file, which has to name at least one user.
func LoadPasswords(path string) (*Passwords, error) {
	p := new(Passwords)
	p.paths = []string{path}
	p.read = func() (*[]entry, error) { return readPasswords(path) }
	return p, p.Reload()
}

// Match reports whether the file has this user with this password. How long it
// takes depends on neither.
func (p *Passwords) Match(user, password []byte) bool {
	asked := newEntry(user, password)
	found := 0
	for _, e := range *p.current.Load() {
		found |= subtle.ConstantTimeCompare(e.user[:], asked.user[:]) &
			subtle.ConstantTimeCompare(e.password[:], asked.password[:])
	}
	return found == 1
}

func newEntry(user, password []byte) entry {
	return entry{sha256.Sum256(user), sha256.Sum256(password)}
}

func readPasswords(path string) (*[]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return nil, err
	}
	list, err := parsePasswords(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &list, nil
}

// parsePasswords takes lines apart at their first colon, so that a password may
// have some. A line may end in CR LF or with the file, and may be blank.
func parsePasswords(text []byte) ([]entry, error) {
	if len(text) > maxPasswordFile {
		return nil, fmt.Errorf("more than %d bytes", maxPasswordFile)
	}
	var list []entry
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		user, password, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return nil, fmt.Errorf("line %d should be user:password", number)
		}
		list = append(list, newEntry(user, password))
	}
	if len(list) == 0 {
		return nil, errors.New("has no line user:password")
	}
	return list, nil
}
