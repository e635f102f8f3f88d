//go:build linux

// Package packages tests what scripts/package makes, and all that describes it.
package packages_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockcached/lockcached/internal/harness"
)

// packagesDir is the variable that names the directory with the packages.
const packagesDir = "LOCKCACHED_PACKAGES"

// inCopy is the variable that names an empty directory, in which the tests of packages make a copy of
// this machine's files, so that what they install is not there for anybody else.
const inCopy = "LOCKCACHED_IN_COPY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(inCopy); dir != "" {
		if err := enterCopy(dir); err != nil {
			fmt.Fprintln(os.Stderr, "the packages are installed on this very machine:", err)
		}
		os.Exit(m.Run())
	}
	harness.Main(m)
}

// enterCopy has this process, which has mounts of its own, see a copy of all files. What it changes
// there is kept in memory until it ends.
func enterCopy(dir string) error {
	upper, work, root := filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "root")
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return err
	}
	for _, d := range []string{upper, work, root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", upper, work)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	for _, d := range []string{"/proc", "/sys", "/dev"} {
		if err := unix.Mount(d, root+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	// They may be on another file system, which the copy does not have.
	if err := exec.Command("cp", "-r", os.Getenv(packagesDir), filepath.Join(root, "packages")).Run(); err != nil {
		return err
	}
	if err := unix.Chroot(root); err != nil {
		return err
	}
	_ = os.MkdirAll("/tmp", 0o1777)
	_ = os.Setenv(packagesDir, "/packages")
	return os.Chdir("/")
}
