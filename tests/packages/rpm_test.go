//go:build linux

package packages_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRPM has rpm read the package, and a shell its scripts.
func TestRPM(t *testing.T) {
	needs(t, "rpm")
	file := packageFile(t, "lockcached-*.x86_64.rpm")
	output(t, "rpm", "--checksig", "--nosignature", file)
	query := func(args ...string) string { return output(t, "rpm", append([]string{"-qp", file}, args...)...) }
	if got, want := query("--configfiles"), "/etc/default/lockcached\n/etc/lockcached/lockcached.toml\n"; got != want {
		t.Errorf("conffiles %q", got)
	}
	if got := query("--queryformat", "%{NAME} %{ARCH} %{LICENSE} %{BUILDHOST}"); got != "lockcached x86_64 MIT reproducible" {
		t.Error(got)
	}
	files := query("--list")
	for _, path := range []string{"/usr/bin/lockcached", "/usr/lib/systemd/system/lockcached.service", "/usr/share/man/man8/lockcached.8.gz", "/usr/share/zsh/site-functions/_lockcached"} {
		if !strings.Contains(files, path+"\n") {
			t.Errorf("%s is not there", path)
		}
	}
	for _, script := range []string{"POSTIN", "PREUN", "POSTUN"} {
		text := query("--queryformat", "%{"+script+"}")
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(text, "systemctl") {
			t.Errorf("%s: %v\n%s%s", script, err, text, out)
		}
	}
}
