package daemon

import (
	"strings"
	"testing"
)

// What depends on more than one flag of the admin address.
func TestAdminRefused(t *testing.T) {
	const address = "needs --admin, the address of the page, such as --admin 127.0.0.1:9151"
	for _, tt := range []struct{ args, want string }{
		{"--admin-host locks.example.com", "--admin-host: " + address},
		{"--admin-auth f", "--admin-auth: " + address},
		{"--admin-tls", "--admin-tls: " + address},
		{"--admin-write", "--admin-write: " + address},
		{"--admin 9151 --admin-tls", "--admin-tls: needs TLS for clients, too, as in --tls-cert cert.pem --tls-key key.pem"},
		{"--admin 9151 --metrics 9152", "--metrics 9152: is the same flag as --admin 9151; give one of them"},
		{"--admin 9151 --metrics 9151 --admin-write", ""},
	} {
		if _, err := readConfig(strings.Fields(tt.args)); message(err) != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, message(err), tt.want)
		}
	}
}

// The flag wins over the variable, whichever of its names either uses.
func TestAdminByOtherName(t *testing.T) {
	t.Setenv("LOCKCACHED_METRICS", "1111")
	for _, tt := range []struct {
		args string
		want int
	}{{"", 1111}, {"--admin 2222", 2222}, {"--metrics 2222", 2222}} {
		if c := mustConfig(t, strings.Fields(tt.args)...); c.admin.at.port != tt.want {
			t.Errorf("%s: port %d", tt.args, c.admin.at.port)
		}
	}
	t.Setenv("LOCKCACHED_METRICS", "")
	t.Setenv("LOCKCACHED_ADMIN", "3333")
	if c := mustConfig(t); c.admin.at.port != 3333 {
		t.Errorf("port %d", c.admin.at.port)
	}
}
