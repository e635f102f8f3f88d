package protocol

import "errors"

// Fault is the reply to a request that was not carried out. Unless it Ends the connection, the
// Reader consumes all of the request, so the next one is read from its beginning.
type Fault struct {
	Line   string // of the text protocol, unless only packets have the fault
	Ends   bool   // the connection must be closed once the fault is told
	status status // of the binary protocol; 0 if the line tells
}

// Refusals, which are part of normal life: clients keep a pooled connection after them.
var (
	NotStored = &Fault{Line: "NOT_STORED", status: statusNotStored}
	Exists    = &Fault{Line: "EXISTS", status: statusExists}
	NotFound  = &Fault{Line: "NOT_FOUND", status: statusNotFound}
)

func (f *Fault) Error() string {
	if f.Line == "" {
		return statusTexts[f.status]
	}
	return f.Line
}

// Faults of framing and syntax, with memcached's words.
var (
	ErrUnknown     = &Fault{Line: "ERROR"}
	ErrBadFormat   = &Fault{Line: "CLIENT_ERROR bad command line format"}
	ErrBadChunk    = &Fault{Line: "CLIENT_ERROR bad data chunk"}
	ErrBadExptime  = &Fault{Line: "CLIENT_ERROR invalid exptime argument"}
	ErrBadDelta    = &Fault{Line: "CLIENT_ERROR invalid numeric delta argument"}
	ErrTooLarge    = &Fault{Line: "SERVER_ERROR object too large for cache", status: statusTooLarge}
	ErrNoMemory    = &Fault{Line: "SERVER_ERROR out of memory storing object", status: statusNoMemory}
	ErrNotNumber   = &Fault{Line: "CLIENT_ERROR cannot increment or decrement non-numeric value", status: statusNotNumber}
	ErrBadFlag     = &Fault{Line: "CLIENT_ERROR invalid flag"}
	ErrTwice       = &Fault{Line: "CLIENT_ERROR duplicate flag"}
	ErrManyFlags   = &Fault{Line: "CLIENT_ERROR options flags are too long"}
	ErrBadToken    = &Fault{Line: "CLIENT_ERROR bad token in command line format"}
	ErrBadKey      = &Fault{Line: "CLIENT_ERROR error decoding key"}
	ErrBadInitial  = &Fault{Line: "CLIENT_ERROR invalid numeric initial value"}
	ErrBadMetaStep = &Fault{Line: "CLIENT_ERROR invalid numeric delta value"}
	ErrBadOpaque   = &Fault{Line: "CLIENT_ERROR opaque token too long"}
	ErrMetaMode    = &Fault{Line: "CLIENT_ERROR invalid mode for ms M token"}
	ErrArithMode   = &Fault{Line: "CLIENT_ERROR invalid mode for ma M token"}
	ErrArithFlag   = &Fault{Line: "CLIENT_ERROR invalid or duplicate flag"}
)

// Faults of the commands that concern the server.
var (
	ErrNoStats     = &Fault{Line: "ERROR", status: statusNotFound} // there are none of that name
	ErrDetailUsage = &Fault{Line: "CLIENT_ERROR usage: stats detail on|off|dump", status: statusNotFound}
	ErrNoFlush     = &Fault{Line: "CLIENT_ERROR flush_all not allowed", status: statusAuthFailure}
)

// NoDump is the fault of a sub-command of stats that is forbidden.
func NoDump(what string) *Fault {
	return &Fault{Line: "CLIENT_ERROR stats " + what + " not allowed", status: statusNotFound}
}

// Faults of packets.
var (
	errOpcode       = &Fault{status: statusUnknown}
	errPacket       = &Fault{status: statusInvalid, Ends: true}
	errPacketLength = &Fault{status: statusUnknown, Ends: true} // memcached's status for a body that is too short
	errPacketLogin  = &Fault{status: statusAuthFailure, Ends: true}
	errMechanism    = &Fault{status: statusInvalid}
)

// Faults of reserved keys.
var (
	ErrReserved  = &Fault{Line: "CLIENT_ERROR keys below lockcached: cannot be stored"}
	ErrBadWait   = &Fault{Line: "CLIENT_ERROR bad wait: lockcached:wait=DURATION:KEY, DURATION like 2s or 200 (ms)"}
	ErrOnlyClaim = &Fault{Line: "CLIENT_ERROR lockcached:wait= goes with add only"}
)

// ErrShort is returned by Reader.Next when the next request has not arrived completely.
var ErrShort = errors.New("protocol: more bytes needed")

// Errors that end a connection without an answer.
var (
	ErrLineTooLong  = errors.New("protocol: line too long")
	ErrLineTooShort = errors.New("protocol: line too short for a login")
	ErrHTTP         = errors.New("protocol: an HTTP request")
	ErrBadMagic     = errors.New("protocol: a packet that does not begin with 0x80")
	ErrLongPacket   = errors.New("protocol: extras and key of a packet too long")
	ErrText         = errors.New("protocol: the text protocol is not spoken here")
)
