package protocol

import "strconv"

// Limits of the protocol.
const (
	MaxKey  = 250  // bytes of a key
	MaxLine = 2048 // bytes of a line whose end has not arrived; get, gets, gat and gats may be longer
)

// Verb is what a request asks for.
type Verb uint8

// The verbs of the protocol.
const (
	Get Verb = iota + 1
	Gets
	Gat
	Gats
	Set
	Add
	Replace
	Append
	Prepend
	CAS
	Incr
	Decr
	Touch
	Delete
	FlushAll
	Verbosity
	Version
	Stats
	Quit
	Shutdown
	CacheMemlimit
	Slabs
	LRU
	LRUCrawler
	Watch
	RefreshCerts
	MetaGet
	MetaSet
	MetaDelete
	MetaArith
	MetaDebug
	Noop
	Login      // Key is the user, Value the password
	BadLogin   // a login with credentials that cannot be right
	BeginLogin // the credentials follow in a request of their own
	Mechanisms // asks for the mechanisms of SASL
)

// Request is one request. Its slices belong to the Reader.
type Request struct {
	Head
	// More says that the line of a get continues in the next Request, Continued that
	// it began in an earlier one.
	More, Continued bool

	Key         []byte
	Unprintable bool   // the text protocol cannot name the key
	Value       []byte // the data block
	Flags       uint32
	Exptime     int64
	CAS         uint64 // the version that the item must have; outside of cas, 0 is no condition
	Delta       uint64
	Create      bool   // incr and decr make a number that is missing,
	Initial     uint64 // which begins with this
	// Args is the rest of the line: the keys of a get or gat, which NextKey splits; the words
	// after stats, verbosity and the like (without noreply), and the flags of a meta command,
	// which NextWord splits.
	Args []byte
	Meta Meta
}

// NextKey returns the first key of what is left of a get's Args, and what follows it; the key
// is empty if there is none.
func (q *Request) NextKey(left []byte) (key, rest []byte) {
	if q.isPacket { // its only key may contain spaces
		return left, nil
	}
	return NextWord(left)
}

// AppendGet appends, as text, a get like q of one key.
func (q *Request) AppendGet(b, key []byte) []byte {
	b = append(b, getWords[q.Verb]...)
	if q.Verb == Gat || q.Verb == Gats {
		b = strconv.AppendInt(append(b, ' '), q.Exptime, 10)
	}
	return append(append(append(b, ' '), key...), "\r\n"...)
}

var getWords = [...]string{Get: "get", Gets: "gets", Gat: "gat", Gats: "gats"}

// Delay returns the delay of a flush_all, as an exptime; ok is false if it is not valid.
func (q *Request) Delay() (exptime int64, ok bool) {
	word, _ := NextWord(q.Args)
	if len(word) == 0 {
		return q.Exptime, true
	}
	return ParseExptime(word)
}

// NextWord returns the first word of s and what follows it; the word is empty if there is
// none. Only spaces separate words.
func NextWord(s []byte) (word, rest []byte) {
	i := 0
	for i < len(s) && s[i] == ' ' {
		i++
	}
	j := i
	for j < len(s) && s[j] != ' ' {
		j++
	}
	return s[i:j], s[j:]
}
