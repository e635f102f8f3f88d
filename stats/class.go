package stats

// maxKey is the longest key there is. A class is never longer than its key.
const maxKey = 250

// minHex is how long a run of hex digits must be to be taken for an id rather
// than for a word with a number, as in "face2".
const minHex = 8

// fold stands for an id in the name of a class.
const fold = '#'

// Class is AppendClass for strings.
func Class(key string, delim byte) string {
	return string(AppendClass(nil, []byte(key), delim))
}

// AppendClass appends to dst the class of key: the key up to its last delimiter,
// or all of it if there is none, with every id folded to '#'. An id is a UUID, a
// word of at least eight hex digits, or a run of decimal digits; the first two
// contain a decimal digit, so that "deadbeef" stays what it is.
//
//	lock:user:17 -> lock:user    job/17/run -> job/#/run    user17 -> user#
//
// Delimiters within a UUID do not count, nor does one at the very start: the
// class of a key is never empty. Spaces and control characters, which base64
// keys may contain, become '#' too, because classes are printed in lines.
func AppendClass(dst, key []byte, delim byte) []byte {
	key = key[:min(len(key), maxKey)]
	start, cut := len(dst), 0
	for i := 0; i < len(key); {
		if n := idLen(key, i); n > 0 {
			dst = append(dst, fold)
			i += n
			continue
		}
		if key[i] == delim {
			cut = len(dst)
		}
		dst = append(dst, printable(key[i]))
		i++
	}
	if cut > start {
		return dst[:cut]
	}
	return dst
}

// idLen is the length of the id that begins at key[i], 0 if there is none.
// UUIDs and hex ids begin where a word begins.
func idLen(key []byte, i int) int {
	if !is(key[i], hexDigit) {
		return 0
	}
	if i == 0 || !is(key[i-1], alnum) {
		if n := uuidLen(key[i:]); n > 0 {
			return n
		}
		if n := hexLen(key[i:]); n > 0 {
			return n
		}
	}
	return runLen(key[i:], digit)
}

// hexLen is the length of the hex id that b begins with, 0 if there is none.
func hexLen(b []byte) int {
	n := runLen(b, hexDigit)
	if n < minHex || runLen(b, alnum) > n || !hasDigit(b[:n]) {
		return 0
	}
	return n
}

// uuidLen is the length of the UUID that b begins with, 0 if there is none.
// It need not be of a valid version, but contains a decimal digit as those do.
func uuidLen(b []byte) int {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(b) < len(form) || len(b) > len(form) && is(b[len(form)], alnum) {
		return 0
	}
	for i := range len(form) {
		if form[i] == '-' && b[i] != '-' || form[i] == 'x' && !is(b[i], hexDigit) {
			return 0
		}
	}
	if !hasDigit(b[:len(form)]) {
		return 0
	}
	return len(form)
}

// runLen is the number of bytes of this kind that b begins with.
func runLen(b []byte, k kind) int {
	n := 0
	for n < len(b) && is(b[n], k) {
		n++
	}
	return n
}

func hasDigit(b []byte) bool {
	for _, c := range b {
		if is(c, digit) {
			return true
		}
	}
	return false
}

func printable(c byte) byte {
	if c <= ' ' || c == 0x7f {
		return fold
	}
	return c
}

// kind is a set of the bits below.
type kind uint8

const (
	digit    kind = 1 << iota // 0-9
	hexDigit                  // 0-9 a-f A-F
	alnum                     // 0-9 a-z A-Z and all of UTF-8 beyond ASCII
)

func is(c byte, k kind) bool { return kinds[c]&k != 0 }

var kinds = func() (t [256]kind) {
	mark := func(from, to byte, k kind) {
		for c := int(from); c <= int(to); c++ {
			t[c] |= k
		}
	}
	mark('0', '9', digit|hexDigit|alnum)
	mark('a', 'f', hexDigit)
	mark('A', 'F', hexDigit)
	mark('a', 'z', alnum)
	mark('A', 'Z', alnum)
	mark(0x80, 0xff, alnum)
	return t
}()
