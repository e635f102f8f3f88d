package protocol

import (
	"bytes"
	"math"
)

// noBlock stands for the size of the data block if a request has none.
const noBlock = -1

func firstWord(line []byte) []byte {
	for i, c := range line {
		if c == ' ' {
			return line[:i]
		}
	}
	return line
}

// wordVerb is the verb of a command word, 0 if the word is unknown.
func wordVerb(word []byte) Verb {
	switch string(word) { // no allocation: the compiler compares in place
	case "get":
		return Get
	case "gets":
		return Gets
	case "gat":
		return Gat
	case "gats":
		return Gats
	case "set":
		return Set
	case "add":
		return Add
	case "replace":
		return Replace
	case "append":
		return Append
	case "prepend":
		return Prepend
	case "cas":
		return CAS
	case "incr":
		return Incr
	case "decr":
		return Decr
	case "touch":
		return Touch
	case "delete":
		return Delete
	case "mg":
		return MetaGet
	case "ms":
		return MetaSet
	case "md":
		return MetaDelete
	case "ma":
		return MetaArith
	case "mn":
		return Noop
	case "me":
		return MetaDebug
	}
	return rareVerb(word)
}

func rareVerb(word []byte) Verb {
	switch string(word) {
	case "stats":
		return Stats
	case "version":
		return Version
	case "quit":
		return Quit
	case "flush_all":
		return FlushAll
	case "verbosity":
		return Verbosity
	case "shutdown":
		return Shutdown
	case "cache_memlimit":
		return CacheMemlimit
	case "slabs":
		return Slabs
	case "lru":
		return LRU
	case "lru_crawler":
		return LRUCrawler
	case "watch":
		return Watch
	case "refresh_certs":
		return RefreshCerts
	}
	return 0
}

// parse reads a line without its end. size is the size of the data block that follows the
// line, noBlock if there is none. If size could be read it is returned with a fault, too,
// because the data block must then be skipped.
func parse(line []byte, q *Request) (size int, err error) {
	if len(line) < 2 {
		return noBlock, ErrBadFormat
	}
	word := firstWord(line)
	args := line[len(word):]
	q.Verb = wordVerb(word)
	switch q.Verb {
	case Get, Gets:
		return noBlock, parseGet(args, q)
	case Gat, Gats:
		return noBlock, parseGat(args, q)
	case Set, Add, Replace, Append, Prepend, CAS:
		return parseStore(args, q)
	case Incr, Decr:
		return noBlock, parseArith(args, q)
	case Touch:
		return noBlock, parseTouch(args, q)
	case Delete:
		return noBlock, parseDelete(args, q)
	case MetaGet, MetaDelete, MetaArith:
		return noBlock, parseMeta(args, q)
	case MetaDebug:
		return noBlock, parseMetaDebug(args, q)
	case MetaSet:
		return parseMetaSet(args, q)
	}
	q.Args, q.NoReply = cutNoReply(args)
	if q.Verb == 0 {
		return noBlock, ErrUnknown
	}
	return noBlock, nil
}

// cutNoReply removes the word noreply from the end of args, if it is there.
func cutNoReply(args []byte) (rest []byte, noReply bool) {
	end := len(args)
	for end > 0 && args[end-1] == ' ' {
		end--
	}
	const word = "noreply"
	start := end - len(word)
	if start > 0 && args[start-1] == ' ' && string(args[start:end]) == word {
		return args[:start], true
	}
	return args[:end], false
}

func parseGet(args []byte, q *Request) error {
	if w, _ := NextWord(args); len(w) == 0 {
		return ErrBadFormat
	}
	q.Args = args
	return checkKeys(args)
}

func parseGat(args []byte, q *Request) error {
	when, keys := NextWord(args)
	if w, _ := NextWord(keys); len(w) == 0 {
		return ErrBadFormat
	}
	var ok bool
	if q.Exptime, ok = ParseExptime(when); !ok {
		return ErrBadExptime
	}
	q.Args = keys
	return checkKeys(keys)
}

// checkKeys refuses the whole list if one key is too long, as memcached does.
func checkKeys(list []byte) error {
	for {
		var key []byte
		if key, list = NextWord(list); len(key) == 0 {
			return nil
		}
		if len(key) > MaxKey {
			return ErrBadFormat
		}
	}
}

func parseStore(args []byte, q *Request) (size int, err error) {
	var flags, exptime, length, id []byte
	q.Key, args = NextWord(args)
	flags, args = NextWord(args)
	exptime, args = NextWord(args)
	length, args = NextWord(args)
	n, ok := parseInt(length)
	if !ok || n < 0 || n > maxBlock {
		return noBlock, ErrBadFormat
	}
	size = int(n)
	_, q.NoReply = cutNoReply(args)
	if q.Verb == CAS {
		id, _ = NextWord(args)
		if q.CAS, ok = parseUint(id); !ok {
			return size, ErrBadFormat
		}
	}
	if len(q.Key) > MaxKey {
		return size, ErrBadFormat
	}
	if q.Flags, ok = parseFlags(flags); !ok {
		return size, ErrBadFormat
	}
	if q.Exptime, ok = parseStoredExptime(exptime); !ok {
		return size, ErrBadFormat
	}
	return size, nil
}

func parseArith(args []byte, q *Request) error {
	var delta []byte
	q.Key, args = NextWord(args)
	delta, args = NextWord(args)
	if len(delta) == 0 {
		return ErrBadFormat
	}
	_, q.NoReply = cutNoReply(args)
	if len(q.Key) > MaxKey {
		return ErrBadFormat
	}
	var ok bool
	if q.Delta, ok = parseUint(delta); !ok {
		return ErrBadDelta
	}
	return nil
}

func parseTouch(args []byte, q *Request) error {
	var exptime []byte
	q.Key, args = NextWord(args)
	exptime, args = NextWord(args)
	if len(exptime) == 0 {
		return ErrBadFormat
	}
	_, q.NoReply = cutNoReply(args)
	if len(q.Key) > MaxKey {
		return ErrBadFormat
	}
	var ok bool
	if q.Exptime, ok = ParseExptime(exptime); !ok {
		return ErrBadExptime
	}
	return nil
}

// parseDelete accepts up to two words after the key, whatever they are: old clients send a
// time there, and then noreply. "delete noreply" deletes the key of that name and has no
// reply.
func parseDelete(args []byte, q *Request) error {
	_, q.NoReply = cutNoReply(args)
	q.Key, args = NextWord(args)
	_, args = NextWord(args)
	_, args = NextWord(args)
	if more, _ := NextWord(args); len(q.Key) == 0 || len(q.Key) > MaxKey || len(more) > 0 {
		return ErrBadFormat
	}
	return nil
}

// parseUint reads an unsigned decimal of 64 bits.
func parseUint(s []byte) (n uint64, ok bool) {
	if len(s) == 0 {
		return 0, false
	}
	for _, c := range s {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// parseInt reads a signed decimal of 64 bits. It refuses a plus sign: memcached 1.6.45 accepts
// one only in the flags and exptime of storage commands.
func parseInt(s []byte) (int64, bool) {
	digits, negative := bytes.CutPrefix(s, []byte{'-'})
	n, ok := parseUint(digits)
	if negative {
		return -int64(n), ok && n <= 1<<63
	}
	return int64(n), ok && n < 1<<63
}

// parseFlags reads the client flags of a storage command as memcached does, with strtoul: a
// sign is accepted as long as the result does not look negative, and bits above the lowest 32
// are dropped.
func parseFlags(s []byte) (uint32, bool) {
	digits, negative := bytes.CutPrefix(s, []byte{'-'})
	if !negative {
		digits = bytes.TrimPrefix(s, []byte{'+'})
	}
	n, ok := parseUint(digits)
	if negative {
		n = -n
		ok = ok && n < 1<<63
	}
	return uint32(n), ok
}
