package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/testenv"
)

// RunMemcachedWithSASL is RunMemcached for one that asks for a login: the users of the
// password file, as -Y takes it, go to a database of Cyrus SASL. memcached finds its settings
// in the folder that SASL_CONF_PATH names, and there the database.
func RunMemcachedWithSASL(t *testing.T, passwords string, flags ...string) string {
	t.Helper()
	help, err := exec.Command(testenv.Memcached(t), "-h").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(help), "--enable-sasl") {
		t.Skip("this memcached was built without SASL")
	}
	folder := t.TempDir()
	database := filepath.Join(folder, "sasldb")
	settings := "mech_list: plain\nsasldb_path: " + database + "\n"
	if err := os.WriteFile(filepath.Join(folder, "memcached.conf"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(passwords) {
		user, password, _ := strings.Cut(strings.TrimSpace(line), ":")
		createSASLUser(t, database, user, password)
	}
	return RunMemcached(t, []string{"SASL_CONF_PATH=" + folder}, append([]string{"-S"}, flags...)...)
}

func createSASLUser(t *testing.T, database, user, password string) {
	t.Helper()
	saslpasswd, err := exec.LookPath("saslpasswd2")
	if err != nil {
		saslpasswd = "/usr/sbin/saslpasswd2" // which need not be in the $PATH of others than root
	}
	create := exec.Command(saslpasswd, "-p", "-c", "-f", database, user)
	create.Stdin = strings.NewReader(password)
	if out, err := create.CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Errorf("%v: %w\n%s", create, err, out))
	}
}
