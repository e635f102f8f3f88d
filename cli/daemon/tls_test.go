package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockcached/lockcached/internal/testcert"
)

// TestTLSSettings reads memcached's flags and ours into what "stats settings" shows.
func TestTLSSettings(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-p 1", "false {Chain: Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-Z -o ssl_chain_cert=c -o ssl_key=k", "true {Chain:c Key:k CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"--tls-cert c --tls-key k", "true {Chain:c Key:k CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"--tls-cert c --tls-ca a", "true {Chain:c Key: CA:a VerifyMode:3 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-Z -o ssl_chain_cert=c,ssl_ca_cert=a,ssl_verify_mode=1,ssl_min_version=3,ssl_wbuf_size=64,ssl_session_cache,ssl_keyformat=1",
			"true {Chain:c Key: CA:a VerifyMode:1 WriteBuffer:65536 SessionCache:true MinVersion:772} []"},
		{"--tls-cert c -o ssl_verify_mode=3 -o ssl_ca_cert=a", "true {Chain:c Key: CA:a VerifyMode:7 WriteBuffer:0 SessionCache:false MinVersion:0} []"},
		{"-o ssl_chain_cert=c", "false {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[there are certificates, but TLS is off; turn it on with -Z]"},
		{"--tls-cert c -o ssl_min_version=1", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[-o ssl_min_version=1: TLS 1.0 and 1.1 are broken and not spoken; the least is 1.2]"},
		{"--tls-cert c -l mtls:127.0.0.1", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[client certificates are asked for, and none can be verified; name their authority with --tls-ca]"},
		{"--tls-cert c -s /tmp/x", "true {Chain:c Key: CA: VerifyMode:0 WriteBuffer:0 SessionCache:false MinVersion:0} " +
			"[-Z: a Unix socket speaks plain text all the same]"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			c := mustConfig(t, words(tt.args)...)
			if got := fmt.Sprintf("%v %+v %v", c.tls.enabled, c.server.Settings.TLS, c.warnings); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestTLSByAddress: an address of -l may differ from the others.
func TestTLSByAddress(t *testing.T) {
	c := mustConfig(t, words("--tls-cert c --tls-ca a -l notls:127.0.0.1:1,btls:[::1]:2;mtls:h:3,h:4")...)
	if got := c.server.Settings.Inter; got != "notls:127.0.0.1:1,btls:[::1]:2,mtls:h:3,h:4" {
		t.Errorf("inter %s", got)
	}
	if got := fmt.Sprint(c.listen[1:3]); got != "[{btls:[::1]:2 ::1 2 true btls:} {mtls:h:3 h 3 true mtls:}]" {
		t.Error(got)
	}
}

func TestTwoFlagsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--tls-cert c -p 0": "-Z with -p 0: you cannot enable SSL without a TCP port",
		"-S -Y f -B ascii":  "-S with -B ascii: SASL is for the binary protocol only; leave -S out to let clients log in with both",
		"-S -Y f -B auto":   "-S with -B auto: SASL is for the binary protocol only; leave -S out to let clients log in with both",
	} {
		if _, err := readConfig(words(args)); message(err) != want {
			t.Errorf("got  %q\nwant %q", message(err), want)
		}
	}
}

// TestExposed: the server warns of what other machines can reach without TLS or authentication.
func TestExposed(t *testing.T) {
	ca := testcert.NewAuthority(t)
	cert, key := ca.Issue("server")
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("foo:bar"), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := []string{"--tls-cert", cert, "--tls-key", key}
	tests := []struct {
		name        string
		args        []string
		plain, open bool
	}{
		{"loopback", []string{"-l", "127.0.0.1:0"}, false, false},
		{"nothing", []string{"-l", "0.0.0.0:0"}, true, true},
		{"TLS", append(tls, "-l", "0.0.0.0:0"), false, true},
		{"TLS beside plain text", append(tls, "-l", "127.0.0.1:0,notls:0.0.0.0:0"), true, true},
		{"client certificates", append(tls, "-l", "0.0.0.0:0", "--tls-ca", ca.File), false, false},
		{"passwords", []string{"-Y", passwords, "-l", "0.0.0.0:0"}, true, false},
		{"TLS and passwords", append(tls, "-Y", passwords, "-l", "0.0.0.0:0"), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustConfig(t, tt.args...)
			list, err := listen(c)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(list)
			if plain, open := c.exposed(list); (len(plain) > 0) != tt.plain || (len(open) > 0) != tt.open {
				t.Errorf("without TLS %v, without authentication %v", plain, open)
			}
		})
	}
}
