package server

import (
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// setAnswer is what the reply to an ms consists of, apart from the outcome.
type setAnswer struct {
	flags  []byte // of the request
	key    []byte // as the client sent it
	binary bool
	quiet  bool
}

// append appends the reply.
func (a *setAnswer) append(out *protocol.Writer, done locks.Stored, err error) {
	status, ok := metaWords[err]
	switch {
	case !ok:
		out.Line(faultOf(err).Line)
		return
	case err == nil && a.quiet:
		return
	}
	out.Meta(status)
	for flag, rest := protocol.NextWord(a.flags); len(flag) > 0; flag, rest = protocol.NextWord(rest) {
		switch flag[0] {
		case 'O':
			out.MetaWord(flag)
		case 'k':
			out.MetaKey(a.key, a.binary)
		case 'c':
			out.MetaUint('c', done.CAS)
		case 's':
			out.MetaUint('s', uint64(done.Size))
		case 'w':
			out.MetaUint('w', uint64(done.Waiters))
		case 'p':
			out.MetaUint('p', uint64(done.Rank))
		case 'd':
			out.MetaUint('d', uint64(done.Retry().Milliseconds()))
		}
	}
	out.EndMeta()
}
