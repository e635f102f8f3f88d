package protocol

import "bytes"

// Limits of a login, with memcached's numbers.
const (
	minLoginLine = 6        // bytes before the line feed; a shorter line is not a login
	maxLogin     = 16 << 10 // bytes of user, space and password
	loginWord    = "set"    // the line begins with it
	loginLength  = 4        // words before the length of the data block
	endOfLogin   = "\r\n"   // of the data block
)

// Faults of a login, with memcached's words.
var (
	ErrNoLogin     = &Fault{"CLIENT_ERROR unauthenticated"}
	ErrLongLogin   = &Fault{"CLIENT_ERROR auth token too long"}
	ErrLoginEnd    = &Fault{"CLIENT_ERROR bad command line termination"}
	ErrLoginFormat = &Fault{"CLIENT_ERROR bad authentication token format"}
)

// Login is a client's user and password. Its slices belong to the Reader.
type Login struct{ User, Password []byte }

// NextLogin takes the next request of a client that has to log in:
//
//	set <anything> <anything> <anything> <length>
//	<user> <password>
//
// Its errors are like those of Next: ErrShort, a *Fault, or one that ends the connection.
func (r *Reader) NextLogin() (Login, error) {
	if r.want == 0 {
		if err := r.loginLine(); err != nil {
			return Login{}, err
		}
	}
	if r.Buffered() < r.want {
		return Login{}, ErrShort
	}
	data := r.buf[r.r : r.r+r.want]
	r.consume(r.want)
	return parseLogin(data)
}

// loginLine reads the line of a login and sets r.want to the bytes that follow it.
func (r *Reader) loginLine() error {
	unread := r.buf[r.r:r.w]
	end := bytes.IndexByte(unread, '\n')
	switch {
	case end < 0 && len(unread) > MaxLine:
		return ErrLineTooLong
	case end < 0, len(unread) < len("x\r\n"):
		return ErrShort
	case end < minLoginLine:
		return ErrLineTooShort
	}
	line := bytes.TrimRight(unread[:end], "\r")
	r.consume(end + 1)
	if !bytes.HasPrefix(line, []byte(loginWord)) {
		return ErrNoLogin
	}
	var length []byte
	for range loginLength + 1 {
		length, line = NextWord(line)
	}
	size, ok := parseUint(length)
	switch {
	case !ok || size > 1<<32-1:
		return ErrNoLogin
	case size > maxLogin:
		return ErrLongLogin
	}
	r.want = int(size) + len(endOfLogin)
	return nil
}

// parseLogin splits the data block at its first space, so that a password may contain
// spaces.
func parseLogin(data []byte) (Login, error) {
	data, ok := bytes.CutSuffix(data, []byte(endOfLogin))
	if !ok {
		return Login{}, ErrLoginEnd
	}
	user, password, ok := bytes.Cut(data, []byte{' '})
	if !ok {
		return Login{}, ErrLoginFormat
	}
	return Login{user, password}, nil
}
