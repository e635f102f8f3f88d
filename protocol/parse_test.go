package protocol

import (
	"fmt"
	"strings"
	"testing"
)

var (
	longestKey = strings.Repeat("k", MaxKey)
	tooLongKey = strings.Repeat("k", MaxKey+1)
)

const badFormat = "CLIENT_ERROR bad command line format"

// A number after a plus is the length of the data block that follows, which is skipped after a
// fault.
var parseTests = []struct{ name, line, want string }{
	{"empty", "", badFormat},
	{"one-letter", "g", badFormat},
	{"space-first", " get k", "ERROR"},
	{"unknown", "foo bar", "ERROR"},
	{"unknown-noreply", "foo noreply", "ERROR noreply"},
	{"upper-case", "GET k", "ERROR"},
	{"tab-is-no-space", "get\tk", "ERROR"},

	{"get", "get k", `get ["k"]`},
	{"get-two", "get k l", `get ["k" "l"]`},
	{"get-spaces", "get   k  l  ", `get ["k" "l"]`},
	{"get-nothing", "get", badFormat},
	{"get-only-spaces", "get   ", badFormat},
	{"get-key-250", "get " + longestKey, `get ["K250"]`},
	{"get-key-251", "get k " + tooLongKey, badFormat},
	{"get-key-any-bytes", "get \x01\x7f\xc3\xa9\x00", `get ["\x01\x7fé\x00"]`},
	{"get-key-noreply", "get noreply", `get ["noreply"]`},
	{"gets", "gets k", `gets ["k"]`},
	{"gets-nothing", "gets", badFormat},

	{"gat", "gat 10 k l", `gat exptime=10 ["k" "l"]`},
	{"gats-negative", "gats -1 k", `gats exptime=-1 ["k"]`},
	{"gat-nothing", "gat", badFormat},
	{"gat-no-key", "gat 10", badFormat},
	{"gat-exptime-word", "gat soon k", "CLIENT_ERROR invalid exptime argument"},
	{"gat-unsigned", "gat 4294967295 k", `gat exptime=-1 ["k"]`},
	{"gat-33-bits", "gat 4294967296 k", "CLIENT_ERROR invalid exptime argument"},
	{"gat-key-251", "gat 10 " + tooLongKey, badFormat},

	{"set", "set k 1 2 3", `set "k" flags=1 exptime=2 +3`},
	{"set-noreply", "set k 1 2 3 noreply", `set "k" flags=1 exptime=2 noreply +3`},
	{"set-noreply-spaces", "set  k  1  2  3  noreply  ", `set "k" flags=1 exptime=2 noreply +3`},
	{"set-extra-word", "set k 1 2 3 really", `set "k" flags=1 exptime=2 +3`},
	{"set-noreply-not-last", "set k 1 2 3 noreply really", `set "k" flags=1 exptime=2 +3`},
	{"set-nothing", "set", badFormat},
	{"set-three-words", "set k 1 2", badFormat},
	{"set-key-250", "set " + longestKey + " 0 0 1", `set "K250" +1`},
	{"set-key-251", "set " + tooLongKey + " 0 0 1", badFormat + " +1"},
	{"set-key-251-noreply", "set " + tooLongKey + " 0 0 1 noreply", badFormat + " noreply +1"},
	{"flags-max", "set k 4294967295 0 1", `set "k" flags=4294967295 +1`},
	{"flags-overflow", "set k 4294967297 0 1", `set "k" flags=1 +1`},
	{"flags-64-bits", "set k 18446744073709551615 0 1", `set "k" flags=4294967295 +1`},
	{"flags-65-bits", "set k 18446744073709551616 0 1", badFormat + " +1"},
	{"flags-plus", "set k +7 0 1", `set "k" flags=7 +1`},
	{"flags-two-signs", "set k +-7 0 1", badFormat + " +1"},
	{"flags-negative", "set k -1 0 1", badFormat + " +1"},
	{"flags-minus-0", "set k -0 0 1", `set "k" +1`},
	{"flags-negative-wrapped", "set k -18446744073709551609 0 1", `set "k" flags=7 +1`},
	{"flags-word", "set k f 0 1", badFormat + " +1"},
	{"exptime-negative", "set k 0 -1 1", `set "k" exptime=-1 +1`},
	{"exptime-plus", "set k 0 +1 1", `set "k" exptime=1 +1`},
	{"exptime-max", "set k 0 2147483647 1", `set "k" exptime=2147483647 +1`},
	{"exptime-unsigned", "set k 0 4294967295 1", `set "k" exptime=-1 +1`},
	{"exptime-32-bits", "set k 0 4294967326 1", `set "k" exptime=30 +1`},
	{"exptime-negative-32-bits", "set k 0 -4294967295 1", `set "k" exptime=1 +1`},
	{"exptime-64-bits", "set k 0 9223372036854775807 1", `set "k" exptime=-1 +1`},
	{"exptime-min", "set k 0 -9223372036854775808 1", `set "k" +1`},
	{"exptime-overflow", "set k 0 9223372036854775808 1", badFormat + " +1"},
	{"exptime-underflow", "set k 0 -9223372036854775809 1", badFormat + " +1"},
	{"exptime-plus-minus", "set k 0 +-1 1", badFormat + " +1"},
	{"exptime-plus-only", "set k 0 + 1", badFormat + " +1"},
	{"exptime-fraction", "set k 0 0.5 1", badFormat + " +1"},
	{"exptime-minus-only", "set k 0 - 1", badFormat + " +1"},
	{"exptime-two-signs", "set k 0 -+1 1", badFormat + " +1"},
	{"size-zero", "set k 0 0 0", `set "k" +0`},
	{"size-negative", "set k 0 0 -1", badFormat},
	{"size-minus-0", "set k 0 0 -0", `set "k" +0`},
	{"size-plus", "set k 0 0 +4", badFormat},
	{"size-32-bits", "set k 0 0 4294967300", badFormat},
	{"size-word", "set k 0 0 x", badFormat},
	{"size-max", "set k 0 0 2147483645", `set "k" +2147483645`},
	{"size-max-plus-1", "set k 0 0 2147483646", badFormat},
	{"size-overflow", "set k 0 0 18446744073709551617", badFormat},
	{"add", "add k 0 30 1", `add "k" exptime=30 +1`},
	{"replace", "replace k 0 30 1", `replace "k" exptime=30 +1`},
	{"append", "append k 0 30 1", `append "k" exptime=30 +1`},
	{"prepend", "prepend k 0 30 1", `prepend "k" exptime=30 +1`},

	{"cas", "cas k 1 2 3 4", `cas "k" flags=1 exptime=2 cas=4 +3`},
	{"cas-noreply", "cas k 1 2 3 4 noreply", `cas "k" flags=1 exptime=2 cas=4 noreply +3`},
	{"cas-id-zero", "cas k 0 0 1 0", `cas "k" +1`},
	{"cas-id-max", "cas k 0 0 1 18446744073709551615", `cas "k" cas=18446744073709551615 +1`},
	{"cas-id-overflow", "cas k 0 0 1 18446744073709551616", badFormat + " +1"},
	{"cas-id-plus", "cas k 0 0 1 +1", badFormat + " +1"},
	{"cas-id-negative", "cas k 0 0 1 -1", badFormat + " +1"},
	{"cas-no-id", "cas k 0 0 1", badFormat + " +1"},
	{"cas-no-id-noreply", "cas k 0 0 1 noreply", badFormat + " noreply +1"},

	{"incr", "incr k 5", `incr "k" delta=5`},
	{"decr-noreply", "decr k 5 noreply", `decr "k" delta=5 noreply`},
	{"delta-zero", "incr k 0", `incr "k"`},
	{"delta-max", "incr k 18446744073709551615", `incr "k" delta=18446744073709551615`},
	{"delta-overflow", "incr k 18446744073709551616", "CLIENT_ERROR invalid numeric delta argument"},
	{"delta-plus", "incr k +1", "CLIENT_ERROR invalid numeric delta argument"},
	{"delta-negative", "incr k -1", "CLIENT_ERROR invalid numeric delta argument"},
	{"delta-word-noreply", "incr k x noreply", "CLIENT_ERROR invalid numeric delta argument noreply"},
	{"incr-no-delta", "incr k", badFormat},
	{"incr-nothing", "incr", badFormat},
	{"incr-key-251", "incr " + tooLongKey + " 1", badFormat},

	{"touch", "touch k 10", `touch "k" exptime=10`},
	{"touch-noreply", "touch k 10 noreply", `touch "k" exptime=10 noreply`},
	{"touch-no-exptime", "touch k", badFormat},
	{"touch-exptime-word", "touch k soon", "CLIENT_ERROR invalid exptime argument"},
	{"touch-max", "touch k 2147483647", `touch "k" exptime=2147483647`},
	{"touch-unsigned", "touch k 4294967295", `touch "k" exptime=-1`},
	{"touch-unsigned-least", "touch k 2147483648", `touch "k" exptime=-2147483648`},
	{"touch-33-bits", "touch k 4294967296", "CLIENT_ERROR invalid exptime argument"},
	{"touch-negative-33-bits", "touch k -4294967295", "CLIENT_ERROR invalid exptime argument"},
	{"touch-below-min", "touch k -2147483649", "CLIENT_ERROR invalid exptime argument"},
	{"touch-64-bits", "touch k 9223372036854775807", "CLIENT_ERROR invalid exptime argument"},
	{"touch-plus", "touch k +30", "CLIENT_ERROR invalid exptime argument"},
	{"touch-key-251", "touch " + tooLongKey + " 1", badFormat},

	{"delete", "delete k", `delete "k"`},
	{"delete-noreply", "delete k noreply", `delete "k" noreply`},
	{"delete-time", "delete k 0", `delete "k"`},
	{"delete-time-noreply", "delete k 0 noreply", `delete "k" noreply`},
	{"delete-key-noreply", "delete noreply", `delete "noreply" noreply`},
	{"delete-three-words-more", "delete k a b c", badFormat},
	{"delete-nothing", "delete", badFormat},
	{"delete-key-250", "delete " + longestKey, `delete "K250"`},
	{"delete-key-251", "delete " + tooLongKey, badFormat},

	{"flush_all", "flush_all", "flush_all []"},
	{"flush_all-delay-noreply", "flush_all 10 noreply", `flush_all ["10"] noreply`},
	{"verbosity", "verbosity 1", `verbosity ["1"]`},
	{"verbosity-noreply", "verbosity 1 noreply", `verbosity ["1"] noreply`},
	{"version-extra-word", "version x", `version ["x"]`},
	{"stats", "stats", "stats []"},
	{"stats-lock", "stats lock  job:17 ", `stats ["lock" "job:17"]`},
	{"quit", "quit", "quit []"},
	{"shutdown-graceful", "shutdown graceful", `shutdown ["graceful"]`},
	{"cache_memlimit", "cache_memlimit 64 noreply", `cache_memlimit ["64"] noreply`},
	{"slabs", "slabs automove 0", `slabs ["automove" "0"]`},
	{"lru", "lru mode flat", `lru ["mode" "flat"]`},
	{"lru_crawler", "lru_crawler metadump all", `lru_crawler ["metadump" "all"]`},
	{"watch", "watch fetchers", `watch ["fetchers"]`},
	{"refresh_certs", "refresh_certs", `refresh_certs []`},
}

func TestParse(t *testing.T) {
	for _, tt := range parseTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := showLine(tt.line); got != tt.want {
				t.Errorf("%q is %s, want %s", tt.line, got, tt.want)
			}
		})
	}
}

// showLine shows what a line says, and how long the data block is that follows it.
func showLine(line string) string {
	var q Request
	size, err := parse([]byte(line), &q)
	text := show(&q, err)
	if size != noBlock {
		text += fmt.Sprintf(" +%d", size)
	}
	return strings.NewReplacer(tooLongKey, "K251", longestKey, "K250").Replace(text)
}
