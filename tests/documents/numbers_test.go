package documents_test

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/internal/harness"
)

const (
	second = float64(time.Second)
	minute = float64(time.Minute)
	kilo   = 1 << 10
	mega   = 1 << 20
)

// A statement is what a document says, with a # for each number, and the numbers that the
// code has there.
type statement struct {
	text    string
	numbers []float64
}

// says makes a statement of several numbers readable.
func says(text string, numbers ...float64) statement { return statement{text, numbers} }

// TestNumbersOfTheProtocol: times, sizes and counts in protocol.md are those of the code.
func TestNumbersOfTheProtocol(t *testing.T) {
	t.Parallel()
	page := harness.ReadFile(t, "protocol/protocol.md")
	t.Run("framing", func(t *testing.T) { compare(t, page, framing(t)) })
	t.Run("strangers", func(t *testing.T) { compare(t, page, strangers(t)) })
	t.Run("waiting", func(t *testing.T) { compare(t, page, waiting(t)) })
	t.Run("stats", func(t *testing.T) { compare(t, page, statistics(t)) })
}

func framing(t *testing.T) []statement {
	protocol, server, locks := readSource(t, "protocol"), readSource(t, "server"), readSource(t, "locks")
	key, line := protocol.number("MaxKey"), protocol.number("MaxLine")
	days := protocol.number("maxRelative") / (24 * 60 * 60)
	return []statement{
		says("A **key** is 1 to # bytes", key),
		says("| key | # bytes |", key),
		says("a key over # bytes", key),
		says("A line of more than # bytes", line),
		says("| line that is no get | # bytes |", line),
		says("item (key, value, some # bytes) | # MiB", math.Round(locks.number("headerBytes")/10)*10, locks.number("DefaultItemSizeMax")/mega),
		says("| words of a meta command | #, opaque # bytes |", protocol.number("maxMetaWords"), protocol.number("maxOpaque")),
		says("up to # (# days) it counts seconds", protocol.number("maxRelative"), days),
		says("an exptime of more than # days", days),
		says("| wait | # minute", locks.number("DefaultMaxWait")/minute),
		says("| line of one lock | # waiters", locks.number("DefaultMaxWaiters")),
		says("| all that wait | #, or", locks.number("DefaultMaxWaitersTotal")),
		says("| answers of which nothing is read | # seconds", server.number("DefaultSendTimeout")/second),
		says("less than # KB a second | # minute", server.number("minRate")/kilo, server.number("DefaultRequestTimeout")/minute),
		says("| connections | #, or", server.number("DefaultMaxConns")),
		says("A get line of more than # KiB", protocol.number("bufferSize")/kilo),
		says("classes are numbers from 1 to #", server.number("maxClass")),
		says("are removed # second after they expired", readSource(t, "store").number("Linger")/second),
		says("misses within that # second", readSource(t, "store").number("Linger")/second),
	}
}

// strangers are statements about clients that have not logged in.
func strangers(t *testing.T) []statement {
	protocol, server := readSource(t, "protocol"), readSource(t, "server")
	login, handshake := server.number("loginTime")/second, server.number("handshakeTime")/second
	return []statement{
		says("for # s and then twice as long each time, up to # s, until there was none for # minute",
			server.number("minLoginPause")/second, server.number("maxLoginPause")/second, server.number("forgiveAfter")/minute),
		says("a length of more than #", protocol.number("maxLogin")),
		says("a line of less than # bytes, such as `quit`, or one of more than # bytes", protocol.number("minLoginLine"), protocol.number("MaxLine")),
		says("nothing of use within # seconds", login),
		says("be over within # seconds; a client beyond", handshake),
		says("# seconds to log in, # for a TLS handshake", login, handshake),
	}
}

func waiting(t *testing.T) []statement {
	server, locks, queue := readSource(t, "server"), readSource(t, "locks"), readSource(t, "waitqueue")
	floor := queue.number("MinPatience") / second
	return []statement{
		says("when the client has sent # more requests", server.number("proof")),
		says("more than # seconds after a grant withdraws nothing", server.number("defaultJustGranted")/second),
		says("has stood for # seconds", locks.number("circleStands")/second),
		says("Circles of up to # connections", locks.number("maxCircle")),
		says("# times its longest pause (# seconds at least, # minutes at most)",
			queue.number("patience"), floor, queue.number("MaxPatience")/minute),
		says("its place is kept for # seconds", floor),
		says("at most # places for one lock", queue.number("MaxKept")),
		says("does wait, for # ms at most", locks.number("aMoment")/float64(time.Millisecond)),
		says("number of milliseconds from # to `--retry-max`", readSource(t, "stats").number("soonest")/float64(time.Millisecond)),
		says("up to # pollers are advised", locks.number("mostRanked")),
	}
}

func statistics(t *testing.T) []statement {
	server, stats := readSource(t, "server"), readSource(t, "stats")
	return []statement{
		says("for # prefixes at most", server.number("maxPrefixes")),
		says("lines `ITEM K [N b; T s]`, # at most", server.number("maxDump")),
		says("a line for each of the # busiest classes", server.number("maxRows")),
		says("a line for each of the # locks with the most waiters", server.number("mostContended")),
		says("# unless LIMIT says otherwise, # at most", server.number("defaultHeld"), server.number("maxHeld")),
		says("words of at least # hex digits", stats.number("minHex")),
		says("cut after # bytes", readSource(t, "locks").number("maxShown")),
		// The middle of a bucket is off by half of its width.
		says("times, to # %", math.Ceil(1000/(2*stats.number("perOctave")))/10),
		says("half as much after # further ones, or after # hour", stats.number("HalfLife"), stats.number("fadeHalfLife")/float64(time.Hour)),
	}
}

// TestNumbersOfThePages does the same for the README, docs and SECURITY.md.
func TestNumbersOfThePages(t *testing.T) {
	t.Parallel()
	page := pages(t) + "\n" + harness.ReadFile(t, "SECURITY.md")
	t.Run("server", func(t *testing.T) { compare(t, page, ofTheServer(t)) })
	t.Run("commands", func(t *testing.T) { compare(t, page, ofTheCommands(t)) })
}

func ofTheServer(t *testing.T) []statement {
	cli, server, locks := readSource(t, "cli"), readSource(t, "server"), readSource(t, "locks")
	pause := server.number("minLoginPause") / second
	return []statement{
		says("# MB + # × `-m` + # KB × `-c` + # KB × `--stats-keys`", cli.number("processMemory")/mega, 1.5,
			cli.number("connectionMemory")/kilo, cli.number("statsKeyMemory")/1000),
		says("were not read # times `-m`", server.number("unreadShare")),
		says("two buffers of # KB", server.number("DefaultWriteBuffer")/kilo),
		says("64 MB or # times the", readSource(t, "journal").number("checkpointFactor")),
		says("loses statistics of up to # minute", locks.number("saveEvery")/minute),
		says("The first # classes get a name", cli.number("defaultMetricsClasses")),
		says("when # MB of lines is unread", cli.number("maxUnlogged")/mega),
		says("may still be at work. At most # a second", locks.number("maxLostLogged")),
		says("who waits for the next. At most # a second", locks.number("maxCirclesLogged")),
		says("take a connection for # s at most, or # s without a TLS handshake", server.number("loginTime")/second, server.number("handshakeTime")/second),
		says("refused after # s, the next after # s, and so on up to # s", pause, 2*pause, server.number("maxLoginPause")/second),
		says("within # seconds of a change", cli.number("checkInterval")/second),
		says("# minute without failures resets the delay", server.number("forgiveAfter")/minute),
	}
}

func ofTheCommands(t *testing.T) []statement {
	cli := readSource(t, "cli")
	return []statement{
		says("redrawn every # seconds", cli.number("defaultInterval")/second),
		says("(`--ttl`, # s)", float64(client.DefaultTTL)/second),
		says("TERM, and KILL # s later", cli.number("runGrace")/second),
		says("tries for # s; with `--wait`", cli.number("patience")/second),
		says("Its `Timeout`, # ms unless it is set", float64(memcache.DefaultTimeout)/float64(time.Millisecond)),
	}
}

// written are the numbers that are written as words.
var written = map[string]float64{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "ten": 10}

var number = regexp.MustCompile(`[0-9][0-9,]*(?:\.[0-9]+)?|\b(?i:an?|one|two|three|four|eight|ten)\b`)

// compare looks for each statement, and wants its numbers wherever the statement is found.
func compare(t *testing.T, page string, statements []statement) {
	t.Helper()
	page = strings.Join(strings.Fields(page), " ")
	for _, s := range statements {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(s.text), "#", "("+number.String()+")")
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1)
		if len(found) == 0 {
			t.Errorf("nothing says %q; the numbers are %v", s.text, s.numbers)
		}
		for _, words := range found {
			if got := numbers(words[1:]); !slices.Equal(got, s.numbers) {
				t.Errorf("%q, but the code has %v", words[0], s.numbers)
			}
		}
	}
}

func numbers(words []string) (values []float64) {
	for _, word := range words {
		n, isWord := written[strings.ToLower(word)]
		if !isWord {
			n, _ = strconv.ParseFloat(strings.ReplaceAll(word, ",", ""), 64)
		}
		values = append(values, n)
	}
	return values
}
