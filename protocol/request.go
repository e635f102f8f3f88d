package protocol

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
	MetaNoop
	MetaDebug
)

// Request is one request. Its slices belong to the Reader.
type Request struct {
	Verb    Verb
	NoReply bool
	// More says that the line of a get continues in the next Request, Continued that
	// it began in an earlier one.
	More, Continued bool

	Key     []byte
	Value   []byte // the data block
	Flags   uint32
	Exptime int32
	CAS     uint64
	Delta   uint64
	// Args is the rest of the line: the keys of a get or gat, the words after stats,
	// verbosity and the like (without noreply), the flags of a meta command. NextWord
	// splits it.
	Args []byte
	Meta Meta
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
