package protocol

import "bytes"

// mechanisms are the SASL mechanisms, separated by spaces.
const mechanisms = "PLAIN"

// maxMechanism is the largest length, in bytes, of the name of a mechanism.
const maxMechanism = 32

// sasl reads a step of a login. The key names the mechanism, and the value has the
// credentials, which the client may also send in a step of their own.
func (r *Reader) sasl(opcode byte, q *Request) error {
	mechanism, credentials := q.Key, q.Value
	q.Key, q.Value = nil, nil
	isStep := opcode == opSASLStep
	begun := r.saslBegun
	r.saslBegun = false
	switch {
	case len(mechanism) > maxMechanism:
		return errMechanism
	case isStep && !begun, !isStep && !bytes.EqualFold(mechanism, []byte(mechanisms)):
		q.Verb = BadLogin
	case !isStep && len(credentials) == 0:
		q.Verb = BeginLogin
		r.saslBegun = true
	default:
		parsePlain(credentials, q)
	}
	return nil
}

// parsePlain reads the credentials of PLAIN (RFC 4616): whom to act as, user and password, with
// NULs in between. Nobody can act as somebody else, and as by Cyrus SASL an empty password is
// refused.
func parsePlain(credentials []byte, q *Request) {
	actAs, rest, _ := bytes.Cut(credentials, []byte{0})
	user, password, _ := bytes.Cut(rest, []byte{0})
	if len(user) == 0 || len(password) == 0 || len(actAs) > 0 && !bytes.Equal(actAs, user) {
		q.Verb = BadLogin
		return
	}
	q.Key, q.Value = user, password
}
