package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxPasswordFile is the largest size, in bytes, of a password file. A larger file cannot be
// one.
const maxPasswordFile = 1 << 20

// A login is one line user:password.
type login struct{ user, password []byte }

// LoadLogin reads the first user of a file in the format of LoadPasswords, for a client that
// logs in as that user. It is an error if the first user cannot log in.
func LoadLogin(path string) (user, password string, err error) {
	list, err := readLogins(path)
	if err != nil {
		return "", "", err
	}
	first := list[0]
	if len(first.user) == 0 || bytes.ContainsAny(first.user, " \r") || bytes.ContainsRune(first.password, '\r') {
		return "", "", fmt.Errorf("%s: the first user cannot log in: a name has 1 character at least and no spaces", path)
	}
	return string(first.user), string(first.password), nil
}

// readLogins returns at least one login, or an error.
func readLogins(path string) ([]login, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return nil, err
	}
	list, err := parseLogins(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// parseLogins splits each line at its first colon, so that a password may contain colons.
// Lines may end with CR LF. The last one needs no end, and blank ones are skipped.
func parseLogins(text []byte) ([]login, error) {
	if len(text) > maxPasswordFile {
		return nil, fmt.Errorf("more than %d bytes", maxPasswordFile)
	}
	var list []login
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
		list = append(list, login{user, password})
	}
	if len(list) == 0 {
		return nil, errors.New("has no line user:password")
	}
	return list, nil
}
