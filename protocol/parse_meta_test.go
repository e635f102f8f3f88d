package protocol

import (
	"strings"
	"testing"
)

var metaTests = []struct{ name, line, want string }{
	{"mg-hit", "mg k", `mg "k" []`},
	{"mg-flags", "mg k s v t", `mg "k" ["s" "v" "t"]`},
	{"mg-numbers", "mg k T30 N10 R5 C7 E9", `mg "k" ["T30" "N10" "R5" "C7" "E9"] TTL=30 vivify=10 recache=5 compare=7 newCAS=9`},
	{"mg-opaque-31", "mg k O" + strings.Repeat("o", 31), `mg "k" ["Oooooooooooooooooooooooooooooooo"]`},
	{"mg-opaque-32", "mg k O" + strings.Repeat("o", 32), "CLIENT_ERROR opaque token too long"},
	{"mg-twice", "mg k v v", "CLIENT_ERROR duplicate flag"},
	{"mg-unknown-flag", "mg k v Y", "CLIENT_ERROR invalid flag"},
	{"mg-flag-no-letter", "mg k 1", "CLIENT_ERROR invalid flag"},
	{"mg-flag-beyond-z", "mg k {", "CLIENT_ERROR invalid flag"},
	{"mg-flag-at-sign", "mg k @", "CLIENT_ERROR invalid flag"},
	{"mg-bad-number", "mg k Tx", "CLIENT_ERROR bad token in command line format"},
	{"mg-bad-number-then-twice", "mg k Tx v v", "CLIENT_ERROR duplicate flag"},
	{"mg-negative-ttl", "mg k T-1", `mg "k" ["T-1"] TTL=-1`},
	{"mg-unsigned-times", "mg k T4294967295 N4294967295 R4294967295", `mg "k" ["T4294967295" "N4294967295" "R4294967295"] TTL=-1 vivify=-1 recache=-1`},
	{"mg-ttl-33-bits", "mg k T4294967296", "CLIENT_ERROR bad token in command line format"},
	{"mg-vivify-33-bits", "mg k N4294967296", "CLIENT_ERROR bad token in command line format"},
	{"mg-recache-33-bits", "mg k R4294967296", "CLIENT_ERROR bad token in command line format"},
	{"mg-ttl-plus", "mg k T+30", "CLIENT_ERROR bad token in command line format"},
	{"mg-ttl-nothing", "mg k T", "CLIENT_ERROR bad token in command line format"},
	{"mg-ignored", "mg k Panything L", `mg "k" ["Panything" "L"]`},
	{"mg-nothing", "mg", badFormat},
	{"mg-key-251", "mg " + tooLongKey, badFormat},
	{"mg-20-words", "mg k v t s c l f h u q x I O P L k C1 T1 N1", `mg "k" ["v" "t" "s" "c" "l" "f" "h" "u" "q" "x" "I" "O" "P" "L" "k" "C1" "T1" "N1"] TTL=1 vivify=1 compare=1`},
	{"mg-21-words", "mg k v t s c l f h u q x I O P L k C1 T1 N1 E1", "CLIENT_ERROR options flags are too long"},
	{"base64", "mg Zm9v b", `mg "foo" ["b"]`},
	{"base64-bad", "mg Zm9 b", "CLIENT_ERROR error decoding key"},
	{"base64-empty", "mg = b", "CLIENT_ERROR error decoding key"},
	{"ms", "ms k 2 T30 F5 I", `ms "k" flags=5 ["T30" "F5" "I"] TTL=30 +2`},
	{"ms-nothing", "ms", badFormat},
	{"ms-no-size", "ms k", badFormat},
	{"ms-size-word", "ms k x", badFormat},
	{"ms-size-negative", "ms k -1", badFormat},
	{"ms-size-plus", "ms k +4", badFormat},
	{"ms-client-flags-max", "ms k 2 F4294967295", `ms "k" flags=4294967295 ["F4294967295"] +2`},
	{"ms-client-flags-33-bits", "ms k 2 F4294967296", badFormat + " +2"},
	{"ms-client-flags-plus", "ms k 2 F+7", badFormat + " +2"},
	{"ms-bad-flag", "ms k 2 Y", "CLIENT_ERROR invalid flag +2"},
	{"ms-mode", "ms k 2 ME", `ms "k" ["ME"] mode='E' +2`},
	{"ms-mode-lower", "ms k 2 Me", "CLIENT_ERROR invalid mode for ms M token +2"},
	{"ms-mode-empty", "ms k 2 M", "CLIENT_ERROR invalid mode for ms M token +2"},
	{"ms-mode-unknown", "ms k 2 MX", "CLIENT_ERROR invalid mode for ms M token +2"},
	{"ms-wait", "ms k 2 ME W2000", `ms "k" ["ME" "W2000"] mode='E' wait=2000 +2`},
	{"ms-wait-word", "ms k 2 ME W2s", "CLIENT_ERROR bad token in command line format +2"},
	{"ms-wait-flags", "ms k 2 ME w p", `ms "k" ["ME" "w" "p"] mode='E' +2`},
	{"ms-flags-word", "ms k 2 Fx", badFormat + " +2"},
	{"md", "md k C5 q", `md "k" ["C5" "q"] compare=5`},
	{"md-stale", "md k I T30", `md "k" ["I" "T30"] TTL=30`},
	{"md-client-flags-33-bits", "md k x F4294967296", badFormat},
	{"md-nothing", "md", badFormat},
	{"ma", "ma k", `ma "k" []`},
	{"ma-numbers", "ma k N0 J13 D7 MD", `ma "k" ["N0" "J13" "D7" "MD"] vivify=0 initial=13 step=7 mode='D'`},
	{"ma-mode-plus", "ma k M+", `ma "k" ["M+"] mode='+'`},
	{"ma-mode-unknown", "ma k MX", "CLIENT_ERROR invalid mode for ma M token"},
	{"ma-bad-flag", "ma k Y", "CLIENT_ERROR invalid or duplicate flag"},
	{"ma-bad-number", "ma k Dx", "CLIENT_ERROR invalid or duplicate flag"},
	{"ma-bad-initial", "ma k Jx", "CLIENT_ERROR invalid or duplicate flag"},
	{"ma-step-overflow", "ma k D18446744073709551616", "CLIENT_ERROR invalid or duplicate flag"},
	{"mn", "mn", "mn []"},
	{"me", "me k", `me "k" []`},
	{"me-nothing", "me", badFormat},
}

func TestParseMeta(t *testing.T) {
	for _, tt := range metaTests {
		t.Run(tt.name, func(t *testing.T) {
			if got := showLine(tt.line); got != tt.want {
				t.Errorf("%q is %s, want %s", tt.line, got, tt.want)
			}
		})
	}
}
