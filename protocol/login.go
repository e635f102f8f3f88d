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
	ErrNoLogin     = &Fault{Line: "CLIENT_ERROR unauthenticated"}
	ErrLongLogin   = &Fault{Line: "CLIENT_ERROR auth token too long"}
	ErrLoginEnd    = &Fault{Line: "CLIENT_ERROR bad command line termination"}
	ErrLoginFormat = &Fault{Line: "CLIENT_ERROR bad authentication token format"}
	ErrWrongLogin  = &Fault{Line: "CLIENT_ERROR authentication failure", status: statusAuthFailure}
)

// RequireLogin makes Next refuse what a client sends before it has logged in. In the text
// protocol a login is
//
//	set <anything> <anything> <anything> <length>
//	<user> <password>
//
// and in the binary protocol it is SASL's, with the mechanism PLAIN.
func (r *Reader) RequireLogin() { r.logins, r.locked = true, true }

// LoggedIn tells the Reader the outcome of a login.
func (r *Reader) LoggedIn(ok bool) { r.locked = !ok }

// nextLogin takes the next request of a client of the text protocol that has to log in.
func (r *Reader) nextLogin(q *Request) error {
	*q = Request{}
	if r.want == 0 {
		if err := r.loginLine(); err != nil {
			return err
		}
	}
	if r.Buffered() < r.want {
		return ErrShort
	}
	data := r.buf[r.r : r.r+r.want]
	r.consume(r.want)
	return parseLogin(data, q)
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
func parseLogin(data []byte, q *Request) error {
	data, ok := bytes.CutSuffix(data, []byte(endOfLogin))
	if !ok {
		return ErrLoginEnd
	}
	user, password, ok := bytes.Cut(data, []byte{' '})
	if !ok {
		return ErrLoginFormat
	}
	q.Verb, q.Key, q.Value = Login, user, password
	return nil
}
