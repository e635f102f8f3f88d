//go:build linux

package packages_test

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestInstalled installs the packages for Debian, starts what they have installed as its unit would,
// upgrades, removes and purges: nothing is left behind.
func TestInstalled(t *testing.T) {
	needs(t, "dpkg")
	testenv.Root(t, "to install packages needs root")
	if os.Getenv(inCopy) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestInstalled$", "-test.v")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		cmd.Env = append(os.Environ(), inCopy+"="+t.TempDir())
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	before := allFiles(t)
	own, memcached := packageFile(t, "lockcached_*_amd64.deb"), packageFile(t, "lockcached-memcached_*_all.deb")
	dpkg(t, "--install", own)
	t.Run("files", testFiles)
	t.Run("unit", func(t *testing.T) { testUnit(t, own) })
	t.Run("memcached", func(t *testing.T) { testMemcached(t, memcached) })
	dpkg(t, "--remove", "lockcached")
	for _, kept := range []string{"/etc/default/lockcached", "/etc/lockcached/lockcached.toml", "/var/lib/lockcached"} {
		if _, err := os.Stat(kept); err != nil {
			t.Error(err)
		}
	}
	dpkg(t, "--purge", "lockcached")
	after := allFiles(t)
	maps.DeleteFunc(after, func(path string, _ bool) bool { return before[path] })
	if len(after) > 0 {
		t.Errorf("left behind: %q", slices.Sorted(maps.Keys(after)))
	}
	if _, err := user.Lookup("lockcached"); err == nil {
		t.Error("the user is left behind")
	}
}

// needs skips a test if there are no packages, or not the program that looks at them.
func needs(t *testing.T, program string) {
	t.Helper()
	if os.Getenv(packagesDir) == "" {
		t.Skip("scripts/package makes the packages; " + packagesDir + " says where they are")
	}
	testenv.Program(t, program)
}

// allFiles are those that packages may have to do with.
func allFiles(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, root := range []string{"/etc", "/usr", "/var", "/opt", "/run"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // it has just gone
				return nil
			case err != nil:
				return err
			case slices.Contains([]string{"/var/lib/dpkg", "/var/cache", "/var/log", "/usr/local", "/var/tmp"}, path):
				return fs.SkipDir
			}
			all[path] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func packageFile(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv(packagesDir), pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// dpkg runs dpkg, which has nothing to ask: conffiles that were changed stay.
func dpkg(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("dpkg", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// output runs a program, and returns what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// testFiles looks at what was installed.
func testFiles(t *testing.T) {
	program, err := elf.Open("/usr/bin/lockcached")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Error("the program is not linked statically")
		}
	}
	if got := output(t, "lockcached", "config", "check", "/etc/lockcached/lockcached.toml"); !strings.HasSuffix(got, ": no faults\n") {
		t.Error(got)
	}
	conffiles := output(t, "dpkg-query", "--show", "--showformat=${Conffiles}", "lockcached")
	for _, path := range []string{"/etc/default/lockcached", "/etc/lockcached/lockcached.toml"} {
		if !strings.Contains(conffiles, " "+path+" ") {
			t.Errorf("%s is no conffile: %q", path, conffiles)
		}
	}
	output(t, "bash", "-n", "/usr/share/bash-completion/completions/lockcached")
	for _, page := range []string{"/usr/share/man/man1/lockcached.1.gz", "/usr/share/man/man8/lockcached.8.gz"} {
		if text := output(t, "gzip", "-dc", page); !strings.HasPrefix(text, ".TH ") {
			t.Errorf("%s: %.40q", page, text)
		}
	}
	info, err := os.Stat("/var/lib/lockcached")
	if err != nil || info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != uidOf(t, "lockcached") {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range []string{"lockcached.service", "lockcached-node.service"} {
		if got := output(t, "systemd-analyze", "verify", "/usr/lib/systemd/system/"+name); got != "" {
			t.Error(got)
		}
	}
	if _, err := os.Stat("/etc/systemd/system/multi-user.target.wants/lockcached.service"); err != nil {
		t.Error(err)
	}
}

func uidOf(t *testing.T, name string) int {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

// testUnit starts the server as its unit says, and has it live through a reload and an upgrade.
func testUnit(t *testing.T, own string) {
	const settings = "/etc/lockcached/lockcached.toml"
	add(t, "/etc/default/lockcached", "LOCKCACHED_PORT=-1\n")
	add(t, settings, "\nmax-waiters = 7\n")
	u := readUnit(t, "/usr/lib/systemd/system/lockcached.service")
	p := u.start(t)
	c := harness.ClientOf(t, p.address)
	harness.Is(t, "add", c.Add(harness.Item("lock:1", "alice", 3600)), nil)
	p.wantSetting("max_waiters", "7")
	add(t, settings, "retry-rate = 77\n")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.wantSetting("retry_rate", "77")
	dpkg(t, "--install", own)
	p.stop()

	p = u.start(t)
	p.wantSetting("retry_rate", "77")
	harness.Holds(t, harness.ClientOf(t, p.address), "lock:1", "alice")
	p.stop()
}

// add appends to a file.
func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A unit is what one of systemd's says of a service.
type unit struct {
	user, environment string
	command           []string
}

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	u := unit{user: "root"}
	text := harness.ReadFile(t, path)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "User":
			u.user = value
		case "EnvironmentFile":
			u.environment = strings.TrimPrefix(value, "-")
		case "ExecStart":
			u.command = strings.Fields(value)
		}
	}
	if len(u.command) == 0 {
		t.Fatalf("%s: %+v", path, u)
	}
	return u
}

// A running is a service that runs.
type running struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	log     *strings.Builder
}

// start starts the unit's program as its user, with nothing in its environment that the unit does not
// say but what tells the test its port.
func (u unit) start(t *testing.T) *running {
	t.Helper()
	account, err := user.Lookup(u.user)
	if err != nil {
		t.Fatal(err)
	}
	uid := uidOf(t, u.user)
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "unit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // the program may become yet another user
		t.Fatal(err)
	}
	ports := filepath.Join(dir, "ports")
	p := &running{t: t, cmd: exec.Command(u.command[0], u.command[1:]...), log: new(strings.Builder)}
	p.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MEMCACHED_PORT_FILENAME=" + ports}
	if u.environment != "" {
		for line := range strings.Lines(harness.ReadFile(t, u.environment)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				p.cmd.Env = append(p.cmd.Env, line)
			}
		}
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	p.address = "127.0.0.1:" + strconv.Itoa(harness.ReadPorts(t, ports)[0])
	return p
}

// stop stops the service as systemd does.
func (p *running) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%v\n%s", err, p.log)
	}
}

// wantSetting waits until "stats settings" has a value.
func (p *running) wantSetting(name, want string) {
	p.t.Helper()
	line := "STAT " + name + " " + want
	testenv.Eventually(p.t, line, func() bool {
		return slices.Contains(harness.Ask(p.t, p.address, "stats settings"), line)
	})
}

// testMemcached puts lockcached in the place of memcached, starts it as memcached's unit would, and
// brings memcached back.
func testMemcached(t *testing.T, file string) {
	const program, configuration = "/usr/bin/memcached", "/etc/memcached.conf"
	testenv.Memcached(t)
	sum := sumOf(t, program)
	dpkg(t, "--install", file)
	if got := output(t, program, "-V"); !strings.Contains(got, "lockcached") || sumOf(t, program+".distrib") != sum {
		t.Errorf("%s is %q", program, got)
	}
	old := harness.ReadFile(t, configuration)
	text := strings.Replace(old, "-p 11211", "-p -1", 1)
	if err := os.WriteFile(configuration, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile(configuration, []byte(old), 0o644) }()
	u := readUnit(t, unitPath(t, "memcached.service"))
	p := u.start(t)
	if got := harness.StatsOf(t, p.address)["lockcached_version"]; got == "" {
		t.Error("memcached's unit does not start lockcached")
	}
	p.stop()

	dpkg(t, "--install", file) // an upgrade
	dpkg(t, "--purge", "lockcached-memcached")
	if got := output(t, "dpkg-divert", "--list", program); sumOf(t, program) != sum || got != "" {
		t.Errorf("memcached is not back; %s", got)
	}
	if _, err := os.Lstat(program + ".distrib"); err == nil {
		t.Error("memcached is there twice")
	}
}

func unitPath(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/systemd/system/", "/lib/systemd/system/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

func sumOf(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	return sha256.Sum256([]byte(harness.ReadFile(t, path)))
}
