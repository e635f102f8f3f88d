package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/server"
)

func mustConfig(t *testing.T, args ...string) *config {
	t.Helper()
	c, err := readConfig(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return c
}

// TestRefused has every wrong value with the one line that answers it.
func TestRefused(t *testing.T) {
	const (
		factor    = "factor must be greater than 1"
		duration  = "should be a duration such as 500ms, 5s or 1m30s"
		unit      = "a duration needs a unit: "
		beta      = "beta should be a number from 0 to 100; 1 is usual, more is earlier"
		endpoint  = "should be host, host:port, [IPv6] or [IPv6]:port, such as 127.0.0.1 or [::1]:11211"
		half      = "cannot set item size limit higher than 1/2 of memory max; lower -I or raise -m"
		itemSize  = "item max size is a number of bytes, with suffix k or m for more, such as 512k"
		plain     = "... is not supported: every address speaks ascii; leave it out"
		adminHost = "should be a host name or an IP address as browsers have it in the address, without a port, such as locks.example.com"
		metrics   = "should be a port, host:port, or :port for every address, such as 9151 or 127.0.0.1:9151"
		port      = "a port is a number from 1 to 65535, 0 for none or -1 for any"
		mode      = "ssl_verify_mode is 0 (no client certificates), 1 (verified if given), 2 or 3 (required)"
		noCert    = "needs a certificate, as in --tls-cert cert.pem --tls-key key.pem"
		noTLS     = " needs TLS; turn it on with -Z"
		glob      = " is no glob; * ? and [a-z] are special, \\ takes that away"
		subopt    = "use idle_timeout=<seconds> or ssl_...; memcached's other ones are accepted without effect"
	)
	tests := []struct{ args, want string }{
		{"-p x", port}, {"-p 65536", port}, {"-p -2", port}, {"-p =1", port}, {"-U 65536", port},
		{"-l [::1", endpoint}, {"-l [::1]x", endpoint}, {"-l 127.0.0.1:", endpoint}, {"-l :11211", endpoint},
		{"-l a:-1", endpoint}, {"-l a:65536", endpoint}, {"-l a:x", endpoint}, {"-l [::1]:", endpoint},
		{"-l notls:127.0.0.1", "notls:" + noTLS}, {"-l mtls:127.0.0.1:1", "mtls:" + noTLS}, {"-l btls:", endpoint},
		{"-l proto[ascii]:127.0.0.1", "proto[" + plain}, {"-l tag_b_:127.0.0.1", "tag_" + plain},
		{"-s " + strings.Repeat("x", 108), "the path of a Unix socket has 1 to 107 bytes"},
		{"-a 8", "an access mode is an octal number from 0 to 777"},
		{"-a 1000", "an access mode is an octal number from 0 to 777"},
		{"-b 0", "the backlog must be greater than 0"},
		{"-m 0", "the memory limit is a number of megabytes greater than 0"},
		{"-m 64m", "the memory limit is a number of megabytes greater than 0"},
		{"-m 2147483648", "at most 2147483647"},
		{"-I 1000", "item max size cannot be less than 1024 bytes"},
		{"-I 1023", "item max size cannot be less than 1024 bytes"},
		{"-I 0m", "item max size cannot be less than 1024 bytes"},
		{"-I -1m", "item max size cannot be less than 1024 bytes"},
		{"-I 9223372036854775807", "cannot set item size limit higher than a gigabyte"},
		{"-I 1025m", "cannot set item size limit higher than a gigabyte"},
		{"-I 1t", itemSize}, {"-I m", itemSize},
		{"-c 0", "maximum connections must be greater than 0"},
		{"-c -1", "maximum connections must be greater than 0"},
		{"-c many", "maximum connections must be greater than 0"},
		{"--keepalive 0", "should be longer than 0"}, {"--keepalive 5x", duration},
		{"--user-timeout -1s", duration}, {"--max-wait 0ms", "should be longer than 0"},
		{"--drain 5x", duration}, {"--drain -1", duration}, {"--drain 9223372036855", unit + "9223372036855s or 9223372036855ms"},
		{"--drain 5", unit + "5s or 5ms"}, {"--drain 1.5", unit + "1.5s or 1.5ms"}, {"--drain 1e3", duration}, {"--drain 0x5", duration},
		{"--drain 300000000000s", duration}, {"--max-wait 60", unit + "60s or 60ms"}, {"--settle 30", unit + "30s or 30ms"},
		{"--fsync-interval 1", unit + "1s or 1ms"}, {"--lock-delay a=10", unit + "10s or 10ms"},
		{"-o x", `Illegal suboption "x": ` + subopt},
		{"-o x=1", `Illegal suboption "x": ` + subopt},
		{"-o idle_timeout", "idle_timeout is a number of seconds, 0 for none"},
		{"-o idle_timeout=-1", "idle_timeout is a number of seconds, 0 for none"},
		{"-o proxy_config=x.lua", "there is no proxy mode"},
		{"--lock-keys [a", `"[a"` + glob},
		{"--wait lock", "should be pattern=duration, such as lock:*=200ms"},
		{"--wait =1s", `""` + glob}, {"--wait a=", duration}, {"--wait a=1", unit + "1s or 1ms"}, {"--wait a=0", ""}, {"--wait [=1", `"["` + glob},
		{"--coalesce page", "should be pattern=duration, such as lock:*=200ms"},
		{"--coalesce page:*=0", ""}, {"--coalesce page:*=400ms", ""}, {"--coalesce a=-1s", duration}, {"--coalesce a=1", unit + "1s or 1ms"},
		{"--stale a", "should be pattern=duration, such as lock:*=200ms"}, {"--stale a=x", duration}, {"--stale [=1s", `"["` + glob},
		{"--early a", "should be pattern=beta, such as page:*=1"}, {"--early =1", `""` + glob}, {"--early a=", beta}, {"--early a=1s", beta},
		{"--early a=-1", beta}, {"--early a=NaN", beta}, {"--early a=101", beta}, {"--early a=0.5", ""}, {"--early a=0", ""},
		{"--guard-release [", `"["` + glob}, {"--guard-release lock:*,job:*", ""},
		{"--lock-delay lock", "should be pattern=duration, such as lock:*=200ms"},
		{"--lock-delay a=", duration}, {"--lock-delay a=1m", ""}, {"--settle soon", duration}, {"--settle 0", ""},
		{"--data ~", "needs a directory"}, {"--data d --fsync always", ""},
		{"--fsync sometimes", "should be one of always, interval, never"},
		{"--fsync-interval 0", "should be longer than 0"}, {"--data d --fsync-interval 5s", ""},
		{"--max-waiters 0", "the line must hold at least 1 waiter"},
		{"--max-waiters-total 0", "there must be room for at least 1 waiter"},
		{"--send-timeout 0", "should be longer than 0"}, {"--request-timeout x", duration},
		{"--stats-keys 0", "statistics need room for at least 1 key"},
		{"--stats-classes -1", "statistics need room for at least 1 class"},
		{"-D ~", "no delimiter specified; it is one character, such as -D /"},
		{"--metrics 0", metrics}, {"--metrics x", metrics}, {"--metrics 65536", metrics}, {"--metrics :", metrics},
		{"--metrics 127.0.0.1", metrics}, {"--metrics 127.0.0.1:", metrics}, {"--metrics [::1]", metrics},
		{"--metrics ::1:9151", metrics}, {"--metrics http://127.0.0.1:9151/", metrics}, {"--metrics ~", metrics},
		{"--metrics-classes 0", "metrics need room for at least 1 class"},
		{"--pprof", "needs --admin, the address to serve profiles on, such as --admin 127.0.0.1:9151"},
		{"--admin 0", metrics},
		{"--admin-host a:1", adminHost}, {"--admin-host http://a/", adminHost}, {"--admin-host *", adminHost}, {"--admin-auth ~", "needs a file name"},
		{"-B http", "should be one of auto, binary, or ascii"},
		{"-t 0", "number of threads must be greater than 0"},
		{"-t two", "number of threads must be greater than 0"},
		{"-u ~", "needs a user name"}, {"-P ~", "needs a file name"},
		{"--log-format xml", "should be one of auto, json, console"},
		{"--log-level loud", "should be one of trace, debug, info, warn, error"},
		{"-R 0", "number of requests per event must be greater than 0"},
		{"-f 1", factor}, {"-f NaN", factor}, {"-f Inf", factor}, {"-n 0", "chunk size must be greater than 0"},
		{"-S", "needs -Y, the file with users and passwords, such as -Y /etc/lockcached/passwords"},
		{"-Y ~", "needs a file name"}, {"--tls-cert ~", "needs a file name"}, {"--tls-key ~", "needs a file name"},
		{"--tls-ca ~", "needs a file name"}, {"-Z", noCert},
		{"-o ssl_verify_mode=4", mode}, {"-o ssl_verify_mode", mode},
		{"-o ssl_min_version=4", "ssl_min_version is 2 (TLS 1.2) or 3 (TLS 1.3)"},
		{"-o ssl_keyformat=2", "ssl_keyformat is 1 (PEM); convert other keys with openssl pkey"},
		{"-o ssl_wbuf_size=big", "ssl_wbuf_size is a number of kilobytes"},
		{"-o ssl_chain_cert", "needs a file name, as in ssl_chain_cert=cert.pem"},
		{"-o ssl_key=", "needs a file name, as in ssl_key=key.pem"},
		{"-o ssl_ca_cert", "needs a file name, as in ssl_ca_cert=ca.pem"},
		{"-I 256m", half}, {"-m 1", half}, {"-m 64 -I 33554433", half},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			_, err := readConfig(words(tt.args))
			got := message(err)
			where := strings.ReplaceAll(tt.args, "~", "")
			if tt.want == half { // both flags count, given or not
				where = got[:max(0, strings.Index(got, ": "))]
			}
			want := where + ": " + tt.want
			if tt.want == "" {
				want = ""
			}
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c := mustConfig(t)
	if got := fmt.Sprint(c.listen, c.socket, c.locks.MemoryLimit, c.locks.ItemSizeMax, c.server.MaxConns); got != "[{127.0.0.1 127.0.0.1 11211 false }]67108864 1048576 1024" {
		t.Error(got)
	}
	if c.threads < 1 || c.threads > 4 {
		t.Errorf("%d threads", c.threads)
	}
	if len(c.ignored)+len(c.warnings) > 0 {
		t.Errorf("without flags there is nothing to say, but: %q %q", c.ignored, c.warnings)
	}
	want := server.Settings{
		TCPPort: 11211, Inter: "127.0.0.1", Umask: 0o700, GrowthFactor: 1.25, ChunkSize: 48, Threads: c.threads,
		ReqsPerEvent: 20, Backlog: 1024, Protocol: "auto-negotiate",
	}
	if !reflect.DeepEqual(c.server.Settings, want) {
		t.Errorf("settings %+v\nwant     %+v", c.server.Settings, want)
	}
}

// TestConfigure: a test that serves gets the configuration that the server would serve with.
func TestConfigure(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("ann:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, l, err := Configure(words("-A -m 100 -M -c 7 --wait lock:*=1s -Y " + passwords))
	if err != nil {
		t.Fatal(err)
	}
	if l.MemoryLimit != 100<<20 || !l.NoEvict || s.MaxConns != 7 || len(l.WaitPolicies) != 1 || s.Shutdown == nil {
		t.Errorf("%+v, %+v", s, l)
	}
	if !s.Authenticate([]byte("ann"), []byte("secret")) || s.Authenticate([]byte("ann"), []byte("guess")) {
		t.Error("the passwords are not those of the file")
	}
	for args, want := range map[string]string{
		"-t 0":      "-t 0: number of threads must be greater than 0",
		"-Y absent": "-Y: open absent: no such file or directory",
	} {
		if _, _, err := Configure(words(args)); message(err) != want {
			t.Errorf("%s: %q, want %q", args, message(err), want)
		}
	}
}

// TestAccepted checks one value of the configuration for each command line.
func TestAccepted(t *testing.T) {
	tests := []struct {
		args string
		got  func(c *config) any
		want any
	}{
		{"-p 11212", func(c *config) any { return c.listen[0].port }, 11212},
		{"-p -1", func(c *config) any { return c.listen[0].port }, 0},
		{"-p -1", func(c *config) any { return c.server.Settings.TCPPort }, -1},
		{"-p 0", func(c *config) any { return len(c.listen) }, 0},
		{"-p 1 -p 2", func(c *config) any { return c.port }, 2},
		{"-U 11222", func(c *config) any { return c.listen[0].port }, 11222},
		{"-U -1", func(c *config) any { return c.port }, -1},
		{"-U 0", func(c *config) any { return c.port }, 11211},
		{"-p 1 -U 2", func(c *config) any { return c.port }, 1},
		{"-l 127.0.0.1 -l ::1,[::1]:5;h:6 -l 127.0.0.1", func(c *config) any { return c.server.Settings.Inter }, "127.0.0.1,::1,[::1]:5,h:6"},
		{"-l 127.0.0.1 -l ::1,[::1]:5;h:6 -p 7", func(c *config) any { return fmt.Sprint(c.listen) },
			"[{127.0.0.1 127.0.0.1 7 false } {::1 ::1 7 false } {[::1]:5 ::1 5 true } {h:6 h 6 true }]"},
		{"-l ,", func(c *config) any { return c.listen[0].host }, "127.0.0.1"},
		{"-s /tmp/x", func(c *config) any { return len(c.listen) }, 0},
		{"-s /tmp/x", func(c *config) any { return c.server.Settings.DomainSocket }, "/tmp/x"},
		{"-a 0777", func(c *config) any { return c.server.Settings.Umask }, 0o777},
		{"-b 8675", func(c *config) any { return c.server.Settings.Backlog }, 8675},
		{"-m 4098 -M", func(c *config) any { return c.locks.MemoryLimit }, int64(4098 << 20)},
		{"-m 4098 -M", func(c *config) any { return c.locks.NoEvict }, true},
		{"-I 1024", func(c *config) any { return c.locks.ItemSizeMax }, 1024},
		{"-I 1k", func(c *config) any { return c.locks.ItemSizeMax }, 1024},
		{"-I 512K", func(c *config) any { return c.locks.ItemSizeMax }, 512 << 10},
		{"-I 32m", func(c *config) any { return c.locks.ItemSizeMax }, 32 << 20},
		{"-m 2048 -I 1g", func(c *config) any { return c.locks.ItemSizeMax }, 1 << 30},
		{"-c 1", func(c *config) any { return c.server.MaxConns }, 1},
		{"-o idle_timeout=3", func(c *config) any { return c.server.IdleTimeout }, 3 * time.Second},
		{"-o no_lru_crawler,no_lru_maintainer", lruOff, []bool{true, true}},
		{"-o no_modern,lru_crawler", lruOff, []bool{false, true}},
		{"-o no_lru_crawler,modern", lruOff, []bool{true, false}},
		{"--keepalive 1m --user-timeout 1500ms", func(c *config) any { return []any{c.server.KeepAlive, c.server.UserTimeout} },
			[]any{time.Minute, 1500 * time.Millisecond}},
		{"--send-timeout 5s --request-timeout 1500ms", func(c *config) any { return []any{c.server.SendTimeout, c.server.RequestTimeout} },
			[]any{5 * time.Second, 1500 * time.Millisecond}},
		{"--max-waiters-total 7", func(c *config) any { return c.locks.MaxWaitersTotal }, 7},
		{"--lock-keys lock:* --lock-keys job:*,cron:?", func(c *config) any { return c.locks.LockKeys },
			[]locks.Pattern{locks.MustPattern("lock:*"), locks.MustPattern("job:*"), locks.MustPattern("cron:?")}},
		{"--wait lock:vip=0 --wait lock:*=200ms,a=b=1s", func(c *config) any { return c.locks.WaitPolicies },
			[]locks.WaitPolicy{{Pattern: locks.MustPattern("lock:vip")}, {Pattern: locks.MustPattern("lock:*"), Wait: 200 * time.Millisecond},
				{Pattern: locks.MustPattern("a=b"), Wait: time.Second}}},
		{"-D /:", func(c *config) any { return c.locks.ClassDelimiter }, byte('/')},
		{"-D |", func(c *config) any {
			return []any{c.server.Settings.StatKeyPrefix, c.server.Settings.DetailEnabled}
		}, []any{byte('|'), true}},
		{"-A", func(c *config) any { return c.shutdownCommand }, true},
		{"-F", func(c *config) any { return c.server.NoFlush }, true},
		{"--disable-batch-calls", func(c *config) any { return c.server.NoBatchCalls }, true},
		{"", func(c *config) any { return c.server.NoBatchCalls }, false},
		{"-B ascii", func(c *config) any { return c.server.Settings.Protocol }, "ascii"},
		{"-B binary", func(c *config) any { return c.server.Settings.Protocol }, "binary"},
		{"-B binary", func(c *config) any { return c.server.Dialects }, protocol.BinaryOnly},
		{"-B ascii", func(c *config) any { return c.server.Dialects }, protocol.TextOnly},
		{"-Y f", func(c *config) any { return c.server.Dialects }, protocol.TextAndBinary},
		{"-Y f -S", func(c *config) any { return c.server.Dialects }, protocol.BinaryOnly},
		{"-Y f -B ascii", func(c *config) any { return c.server.Settings.Protocol }, "ascii"},
		{"-t 100", func(c *config) any { return c.warnings }, []string{"-t 100: more threads than processors make nothing faster"}},
		{"--metrics 9151", metricsAddress, "127.0.0.1:9151"},
		{"--metrics :9151", metricsAddress, "*:9151"},
		{"--metrics [::1]:0", metricsAddress, "::1:0"},
		{"--metrics localhost:9151", metricsAddress, "localhost:9151"},
		{"--metrics 9151", func(c *config) any { return c.locks.NamedClasses }, 100},
		{"--metrics 9151 --metrics-classes 7 --pprof", func(c *config) any { return []any{c.locks.NamedClasses, c.pprof} }, []any{7, true}},
		{"--metrics-classes 7", func(c *config) any { return c.locks.NamedClasses }, 0}, // no --metrics
		{"--admin :9151", metricsAddress, "*:9151"},
		{"--admin 9151 --metrics 9151", metricsAddress, "127.0.0.1:9151"},
		{"--admin 9151 --admin-host A.example.com,192.0.2.1 --admin-host ::1 --admin-auth f --admin-write", func(c *config) any {
			return []any{c.admin.hosts, c.admin.passwords, c.admin.write, c.locks.Recent}
		}, []any{[]string{"A.example.com", "192.0.2.1", "::1"}, "f", true, true}},
		{"", func(c *config) any { return c.locks.Recent }, false},
		{"--drain 0", func(c *config) any { return c.drain }, time.Duration(0)},
		{"-vv", func(c *config) any { return c.server.Settings.Verbosity }, 2},
		{"", func(c *config) any { return c.level() }, zerolog.InfoLevel},
		{"-v", func(c *config) any { return c.level() }, zerolog.DebugLevel},
		{"-vvv", func(c *config) any { return c.level() }, zerolog.TraceLevel},
		{"-vvv --log-level warn", func(c *config) any { return c.level() }, zerolog.WarnLevel},
		{"-C -f 1.5 -n 96 -R 1", func(c *config) any {
			s := c.server.Settings
			return []any{s.CASDisabled, s.GrowthFactor, s.ChunkSize, s.ReqsPerEvent}
		}, []any{true, 1.5, 96, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			if got := tt.got(mustConfig(t, words(tt.args)...)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func metricsAddress(c *config) any { return fmt.Sprint(c.admin.at.host, ":", c.admin.at.port) }

func lruOff(c *config) any {
	return []bool{c.server.Settings.NoLRUCrawler, c.server.Settings.NoLRUMaintainer}
}

func TestIgnoredIsListed(t *testing.T) {
	c := mustConfig(t, words("-d -f 2 -L -k -W -U 1 -o modern,,idle_timeout=1,no_hashexpand -o hashpower=20 logfile /x")...)
	want := "[-o modern -o no_hashexpand -o hashpower=20 -U 1 -f 2 -L -k logfile /x]"
	if got := fmt.Sprint(c.ignored); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestMemcachedFlags gives every flag of memcached 1.6.45 by both names.
func TestMemcachedFlags(t *testing.T) {
	const withValue = `a=unix-mask:700 p=port:1 s=unix-socket:/tmp/x U=udp-port:0 m=memory-limit:64 c=conn-limit:1
		l=listen:127.0.0.1 u=user:root P=pidfile:/tmp/x f=slab-growth-factor:1.25 n=slab-min-size:48 t=threads:4
		R=max-reqs-per-event:20 b=listen-backlog:1024 B=protocol:auto I=max-item-size:1m e=memory-file:/tmp/x
		o=extended:modern N=napi-ids:1 D=:x`
	for _, row := range strings.Fields(withValue) {
		names, value, _ := strings.Cut(row, ":")
		short, long, _ := strings.Cut(names, "=")
		mustConfig(t, "-"+short, value)
		if long != "" {
			mustConfig(t, "--"+long+"="+value)
		}
	}
	const switches = `A=enable-shutdown M=disable-evictions k=lock-memory r=enable-coredumps v=verbose d=daemon
		L=enable-largepages C=disable-cas F=disable-flush-all X=disable-dumping W=disable-watch`
	for _, row := range strings.Fields(switches) {
		short, long, _ := strings.Cut(row, "=")
		mustConfig(t, "-"+short)
		mustConfig(t, "--"+long)
	}
}

func TestMemcachedSuboptions(t *testing.T) {
	for _, name := range ignoredSuboptions {
		c := mustConfig(t, "-o", name+"=1")
		if got, want := fmt.Sprint(c.ignored), "[-o "+name+"=1]"; got != want {
			t.Errorf("%s: ignored %s, want %s", name, got, want)
		}
	}
}

// FuzzParsePolicy checks that a policy that is accepted can be printed and
// read again.
func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{"lock:*=200ms", "a=b=1s", "[a-z]?=30", "=1", "x=", "x=-1s", "x=9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		pattern, d, err := parsePolicy(value)
		if err != nil {
			return
		}
		if pattern.String() == "" || d < 0 {
			t.Errorf("%q gives %q, %v", value, pattern, d)
		}
		pattern2, d2, err := parsePolicy(pattern.String() + "=" + d.String())
		if err != nil || pattern2 != pattern || d2 != d {
			t.Errorf("%q gives %q, %v, then %q, %v, %v", value, pattern, d, pattern2, d2, err)
		}
	})
}
