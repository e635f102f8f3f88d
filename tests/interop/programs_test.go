package interop_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// A program is the beginning of a command line. Whatever makes one skips the test if the
// program or what it needs is not installed.
type program func(t *testing.T) []string

// scripts is where the programs are that play the commands of a client.
const scripts = "testdata/interop"

// script is the path of one of them. Reading it makes go test notice when it changes.
func script(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(scripts, name)
	harness.ReadFile(t, path)
	return path
}

func python(name, module string) program {
	return func(t *testing.T) []string {
		harness.ReadFile(t, filepath.Join(scripts, "expect.py"))
		return []string{testenv.PythonWith(t, module), "-B", script(t, name)} // -B: no __pycache__ among the sources
	}
}

func php(name string, args ...string) program {
	return func(t *testing.T) []string {
		testenv.PHPWithMemcached(t)
		return append([]string{"php", script(t, name)}, args...)
	}
}

func ruby(name string, libraries ...string) program {
	return func(t *testing.T) []string {
		for _, library := range libraries {
			needs(t, exec.Command("ruby", "-r", library, "-e", ""))
		}
		harness.ReadFile(t, filepath.Join(scripts, "expect.rb"))
		return []string{"ruby", script(t, name)}
	}
}

// node is for a script in a folder of its own, into which npm has installed the module.
func node(name, module string) program {
	return func(t *testing.T) []string {
		installed := filepath.Join(scripts, filepath.Dir(name), "node_modules", module)
		needs(t, exec.Command("node", "-e", `require("./`+installed+`")`))
		return []string{"node", script(t, name)}
	}
}

// java runs a source file with a jar of Debian's, which takes a compiler.
func java(name, jar string) program {
	return func(t *testing.T) []string {
		path := filepath.Join("/usr/share/java", jar)
		if _, err := os.Stat(path); err != nil {
			testenv.Missing(t, err)
		}
		needs(t, exec.Command("javac", "-version"))
		return []string{"java", "-cp", path, script(t, name)}
	}
}

// goClient builds one of the programs in goclients, whose modules have to be there
// already: a test downloads nothing.
func goClient(name string) program {
	return func(t *testing.T) []string {
		folder := filepath.Join(scripts, "goclients")
		harness.ReadFile(t, filepath.Join(folder, "check", "check.go"))
		harness.ReadFile(t, filepath.Join(folder, name, "main.go"))
		offline := func(args ...string) *exec.Cmd {
			command := exec.Command("go", append([]string{"-C", folder}, args...)...)
			command.Env = append(os.Environ(), "GOPROXY=off")
			return command
		}
		needs(t, offline("list", "-deps", "./"+name))
		path := filepath.Join(t.TempDir(), name)
		if out, err := offline("build", "-o", path, "./"+name).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return []string{path}
	}
}

// needs skips the test if a command that looks for something fails.
func needs(t *testing.T, lookup *exec.Cmd) {
	t.Helper()
	if err := lookup.Run(); err != nil {
		testenv.Missing(t, fmt.Errorf("%v: %w", lookup, err))
	}
}

// run runs a command, which has to succeed, and returns what it printed.
func run(t *testing.T, line []string, args ...string) string {
	t.Helper()
	out, err := command(t, line, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// command is a command that ends with the patience of the test at the latest.
func command(t *testing.T, line []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, line[0], append(line[1:len(line):len(line)], args...)...)
}
