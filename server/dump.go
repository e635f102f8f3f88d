package server

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/lockcached/lockcached/internal/ttl"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
)

// itemClass is the slab class of all items: there are no slabs here.
const itemClass = 1

// maxClass is the highest slab class that memcached can have.
const maxClass = 63

// lruCrawler answers the commands to memcached's crawler. There is no crawler here, since
// items are removed when they expire; but its commands also list items.
func (c *conn) lruCrawler(q *protocol.Request) (goesOn bool) {
	what, args := protocol.NextWord(q.Args)
	arg, _ := protocol.NextWord(args)
	switch n := wordCount(args); {
	case n == 1 && (string(what) == "metadump" || string(what) == "mgdump"):
		return c.listItems(q, string(what), arg)
	case n == 1 && string(what) == "crawl":
		c.say(q, c.crawl(arg))
	case n == 1 && (string(what) == "sleep" || string(what) == "tocrawl"):
		c.say(q, tuneCrawler(string(what), arg))
	case n == 0 && string(what) == "enable":
		if c.srv.crawler.Swap(true) {
			c.say(q, "ERROR failed to start lru crawler thread")
		} else {
			c.say(q, "OK")
		}
	case n == 0 && string(what) == "disable":
		c.srv.crawler.Store(false)
		c.say(q, "OK")
	default:
		c.say(q, "ERROR")
	}
	return true
}

// tuneCrawler takes a number that has no effect here.
func tuneCrawler(what string, arg []byte) string {
	n, err := strconv.ParseUint(string(arg), 10, 32)
	switch {
	case err != nil:
		return protocol.ErrBadFormat.Line
	case what == "sleep" && n > uint64(time.Second/time.Microsecond):
		return "CLIENT_ERROR sleep must be one second or less"
	}
	return "OK"
}

const crawlerDisabled = "CLIENT_ERROR lru crawler disabled"

// crawl answers "lru_crawler crawl", which in memcached looks for expired items.
func (c *conn) crawl(classes []byte) string {
	_, refusal := parseClasses(classes)
	switch {
	case !c.srv.crawler.Load():
		return crawlerDisabled
	case string(classes) == "hash":
		return "ERROR an unknown error happened"
	case refusal != "":
		return refusal
	}
	return "OK"
}

// listings tells for each of the two dumps how it shows an item, what it answers when dumps
// are forbidden, and how it ends.
var listings = map[string]struct {
	line           func(*protocol.Writer, *protocol.Dumped)
	forbidden, end string
}{
	"metadump": {(*protocol.Writer).MetaDump, "ERROR metadump not allowed", "END"},
	"mgdump":   {(*protocol.Writer).MetaGetDump, "ERROR key dump not allowed", "EN"},
}

// listItems answers "lru_crawler metadump CLASSES" and mgdump.
func (c *conn) listItems(q *protocol.Request, what string, classes []byte) (goesOn bool) {
	how := listings[what]
	found, refusal := parseClasses(classes)
	switch {
	case !c.srv.crawler.Load():
		refusal = crawlerDisabled
	case c.srv.config.NoDump:
		refusal = how.forbidden
	}
	if refusal != "" || q.NoReply {
		c.say(q, refusal)
		return true
	}
	c.out.Line("OK")
	if found && !c.dump(math.MaxInt, how.line) {
		return false
	}
	c.out.Line(how.end)
	return true
}

// parseClasses reads "all", "hash" or class numbers separated by commas. It reports whether
// the class of our items is among them, or returns the line that refuses the list.
func parseClasses(list []byte) (found bool, refusal string) {
	if string(list) == "all" || string(list) == "hash" {
		return true, ""
	}
	refusal = "NOTSTARTED no items to crawl"
	for text := range bytes.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.ParseUint(string(text), 10, 32)
		if err != nil || n == 0 || n > maxClass {
			return false, "BADCLASS invalid class id"
		}
		found, refusal = found || n == itemClass, ""
	}
	return found, refusal
}

// dumping shows items to a connection.
type dumping struct {
	*conn
	line func(*protocol.Writer, *protocol.Dumped)
	left int             // how many it may still show
	item protocol.Dumped // here so that it is not allocated each time
}

// dump lists items. It sends the replies whenever they exceed maxUnsent, and reports false
// if the client does not read them. Other connections are served meanwhile.
func (c *conn) dump(limit int, line func(*protocol.Writer, *protocol.Dumped)) (goesOn bool) {
	c.transport.detach()
	d, goesOn := dumping{conn: c, line: line, left: limit}, true
	c.srv.locks.Dump(&d, func() bool {
		if c.out.Buffered() > maxUnsent {
			goesOn = c.flush() == nil
		}
		return goesOn && d.left > 0
	})
	return goesOn
}

// View shows one item.
func (d *dumping) View(v *locks.View) {
	if d.left == 0 {
		return
	}
	d.left--
	now, expires := time.Now(), int64(-1)
	if v.TTL != ttl.Forever {
		expires = now.Add(v.TTL).Unix()
	}
	d.item = protocol.Dumped{
		Key:     v.Item.Key(),
		Binary:  v.Binary,
		Expires: expires,
		Used:    now.Add(-v.Idle).Unix(),
		CAS:     v.Item.CAS(),
		Fetched: v.Fetched,
		Class:   itemClass,
		Size:    v.Item.Size(),
		Length:  len(v.Item.Value()),
		Flags:   v.Item.Flags,
	}
	d.line(&d.out, &d.item)
}

// maxDump bounds a cachedump, as memcached's buffer of one page does.
const maxDump = 10_000

// cachedump answers "stats cachedump CLASS LIMIT".
func (c *conn) cachedump(class, args []byte) (goesOn bool) {
	limitWord, _ := protocol.NextWord(args)
	if len(class) == 0 || len(limitWord) == 0 {
		c.out.Line("CLIENT_ERROR bad command line")
		return true
	}
	id, err1 := strconv.ParseUint(string(class), 10, 32)
	limit, err2 := strconv.ParseUint(string(limitWord), 10, 32)
	switch {
	case err1 != nil || err2 != nil:
		c.out.Line(protocol.ErrBadFormat.Line)
		return true
	case id > maxClass:
		c.out.Line("CLIENT_ERROR Illegal slab id")
		return true
	case limit == 0 || limit > maxDump:
		limit = maxDump
	}
	if id == itemClass && !c.dump(int(limit), (*protocol.Writer).CacheDump) {
		return false
	}
	c.out.Line("END")
	return true
}

func wordCount(s []byte) (n int) {
	for word, rest := protocol.NextWord(s); len(word) > 0; word, rest = protocol.NextWord(rest) {
		n++
	}
	return n
}
