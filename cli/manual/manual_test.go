package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/daemon"
	"github.com/lockcached/lockcached/internal/testenv"
)

// TestPages has man show the pages, without a warning and with every flag and command.
func TestPages(t *testing.T) {
	testenv.Program(t, "man")
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	server, commands := shown(t, filepath.Join(dir, "lockcached.8")), shown(t, filepath.Join(dir, "lockcached.1"))
	for _, s := range daemon.Sections() {
		wants(t, "lockcached(8)", server, s.Title)
		for _, f := range s.Flags {
			wants(t, "lockcached(8)", server, strings.TrimSpace(f.Synopsis()), upperFirst(f.Usage))
		}
	}
	for _, p := range command.Pages() {
		wants(t, "lockcached(1)", commands, strings.TrimSpace("lockcached "+p.Name+" "+p.Args), upperFirst(p.About), p.Notes)
		for _, f := range p.Flags {
			wants(t, "lockcached(1)", commands, strings.TrimSpace(f.Synopsis()), upperFirst(f.Usage))
		}
	}
	if example := "  lockcached --wait 'lock:*=200ms'\n"; !strings.Contains(server, example) {
		t.Errorf("%q is not there to be copied", example)
	}
}

// shown is a page as a reader sees it.
func shown(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.Command("man", "--warnings", "-P", "cat", "-l", path)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=100")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Fatalf("%s: %v\n%s", path, err, &warnings)
	}
	return string(out)
}

// wants fails the test if a page lacks a text, whatever the line breaks.
func wants(t *testing.T, name, page string, texts ...string) {
	t.Helper()
	page = flat(page)
	for _, text := range texts {
		if !strings.Contains(page, flat(text)) {
			t.Errorf("%s lacks %q", name, text)
		}
	}
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }
