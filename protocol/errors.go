package protocol

import "errors"

// Fault is the reply to a request that cannot be carried out. The connection goes on: the
// Reader consumes all of the request, so the next one is read from its beginning.
type Fault struct{ Line string }

func (f *Fault) Error() string { return f.Line }

// Faults of framing and syntax, with memcached's words.
var (
	ErrUnknown     = &Fault{"ERROR"}
	ErrBadFormat   = &Fault{"CLIENT_ERROR bad command line format"}
	ErrBadChunk    = &Fault{"CLIENT_ERROR bad data chunk"}
	ErrBadExptime  = &Fault{"CLIENT_ERROR invalid exptime argument"}
	ErrBadDelta    = &Fault{"CLIENT_ERROR invalid numeric delta argument"}
	ErrTooLarge    = &Fault{"SERVER_ERROR object too large for cache"}
	ErrNoMemory    = &Fault{"SERVER_ERROR out of memory storing object"}
	ErrBadFlag     = &Fault{"CLIENT_ERROR invalid flag"}
	ErrTwice       = &Fault{"CLIENT_ERROR duplicate flag"}
	ErrManyFlags   = &Fault{"CLIENT_ERROR options flags are too long"}
	ErrBadToken    = &Fault{"CLIENT_ERROR bad token in command line format"}
	ErrBadKey      = &Fault{"CLIENT_ERROR error decoding key"}
	ErrBadInitial  = &Fault{"CLIENT_ERROR invalid numeric initial value"}
	ErrBadMetaStep = &Fault{"CLIENT_ERROR invalid numeric delta value"}
	ErrBadOpaque   = &Fault{"CLIENT_ERROR opaque token too long"}
	ErrMetaMode    = &Fault{"CLIENT_ERROR invalid mode for ms M token"}
	ErrArithMode   = &Fault{"CLIENT_ERROR invalid mode for ma M token"}
	ErrArithFlag   = &Fault{"CLIENT_ERROR invalid or duplicate flag"}
)

// Faults of reserved keys.
var (
	ErrReserved  = &Fault{"CLIENT_ERROR keys below lockcached: cannot be stored"}
	ErrBadWait   = &Fault{"CLIENT_ERROR bad wait: lockcached:wait=DURATION:KEY, DURATION like 2s or 200 (ms)"}
	ErrOnlyClaim = &Fault{"CLIENT_ERROR lockcached:wait= goes with add only"}
)

// ErrShort is returned by Reader.Next when the next request has not arrived completely.
var ErrShort = errors.New("protocol: more bytes needed")

// Errors that end a connection without an answer.
var (
	ErrLineTooLong  = errors.New("protocol: line too long")
	ErrLineTooShort = errors.New("protocol: line too short for a login")
	ErrHTTP         = errors.New("protocol: an HTTP request")
	ErrBinary       = errors.New("protocol: the binary protocol is not spoken here")
)
