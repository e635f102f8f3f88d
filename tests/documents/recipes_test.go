package documents_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// recipes returns the blocks of docs/recipes.md in one language.
func recipes(t *testing.T, language string) (blocks []string) {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	for _, block := range fence.FindAllStringSubmatch(harness.ReadFile(t, "docs/recipes.md"), -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("no recipe in %s", language)
	}
	return blocks
}

// TestRecipesInGo: they are compiled, and most of them run, as examples of packages
// client and cache. One of them is in the README, too.
func TestRecipesInGo(t *testing.T) {
	t.Parallel()
	examples := harness.ReadFile(t, "client/example_test.go") + harness.ReadFile(t, "client/cache/example_test.go")
	all := recipes(t, "go")
	for _, recipe := range all {
		if !strings.Contains(examples, recipe) {
			t.Errorf("not among the examples of packages client and cache:\n%s", recipe)
		}
	}
	readme := fenced(harness.ReadFile(t, "README.md"))
	if !slices.ContainsFunc(all, func(recipe string) bool { return slices.Contains(readme, recipe) }) {
		t.Error("the README shows none of them")
	}
}

// The call sites in other languages run against a server of ours: two clients, the second
// of which waits in vain, and a third one that gets the lock.
const (
	pythonStory = `
import os, secrets, socket, sys
from pymemcache.client.base import Client

%s

def render(id):
    print("rendering", id)
    return b"page"

alice, bob = (Client((sys.argv[1], int(sys.argv[2])), timeout=10) for _ in range(2))
lock = acquire_lock(alice, "lock:job", 30, 1.5)
print(alice.get("lock:job") == lock, acquire_lock(bob, "lock:job", 30, 0.01))
print(release_lock(bob, "lock:job", b"bob"), release_lock(alice, "lock:job", lock), release_lock(alice, "lock:job", lock))
print(bool(acquire_lock(bob, "lock:job", 30, 0.01)))
print(page(alice, 17) == page(bob, 17), bob.get("lock:page:17"))
`
	pythonTold = "True False\nFalse True False\nTrue\nrendering 17\nTrue None\n"

	phpStory = `<?php
%s
function connect(): Memcached
{
    global $argv;
    $mc = new Memcached();
    $mc->addServer($argv[1], (int) $argv[2]);
    return $mc;
}

$alice = connect();
$bob = connect();
$lock = acquire_lock($alice, 'lock:job', 30, 1.5);
echo json_encode([$alice->get('lock:job') === $lock, acquire_lock($bob, 'lock:job', 30, 0.01)]), "\n";
echo json_encode([release_lock($bob, 'lock:job', 'bob'), release_lock($alice, 'lock:job', $lock),
    release_lock($alice, 'lock:job', $lock)]), "\n";
echo json_encode(is_string(acquire_lock($bob, 'lock:job', 30, 0.01))), "\n";
`
	phpTold = "[true,false]\n[false,true,false]\ntrue\n"
)

func TestRecipesInPython(t *testing.T) {
	t.Parallel()
	program := fmt.Sprintf(pythonStory, strings.Join(recipes(t, "python"), "\n"))
	tells(t, pythonTold, func(host, port string) *exec.Cmd {
		return exec.Command(testenv.PythonWith(t, "pymemcache"), "-c", program, host, port)
	})
}

func TestRecipesInPHP(t *testing.T) {
	t.Parallel()
	testenv.PHPWithMemcached(t)
	program := fmt.Sprintf(phpStory, strings.Join(recipes(t, "php"), "\n"))
	tells(t, phpTold, func(host, port string) *exec.Cmd {
		php := exec.Command("php", "--", host, port)
		php.Stdin = strings.NewReader(program)
		return php
	})
}

// tells runs a program against a server and compares what it prints.
func tells(t *testing.T, want string, program func(host, port string) *exec.Cmd) {
	t.Helper()
	host, port, _ := net.SplitHostPort(runServer(t))
	if out, err := program(host, port).CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("printed %v\n%s\nwant\n%s", err, out, want)
	}
}

// TestRecipesInShell runs the script that takes a lock by itself: alone, while another
// client has the lock, and while the script loses it.
func TestRecipesInShell(t *testing.T) {
	t.Parallel()
	address, folder := runServer(t), t.TempDir()
	for name, text := range map[string]string{
		"lockcached": "exec env " + harness.AsProgram + "=1 " + os.Args[0] + ` "$@"`,
		"report":     `test ${#1} = 19 && echo reporting; test "$LOSE" = "" || lockcached release job:report --force`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.Replace(recipes(t, "sh")[0], "locks:11211", address, 1)
	runs := func(variable string) (told string, code int) {
		shell := exec.Command("sh", "-c", strings.Replace(script, "--wait 10s", "--no-wait", 1))
		shell.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), variable)
		out, _ := shell.CombinedOutput() // its error is the exit code
		return string(out), shell.ProcessState.ExitCode()
	}
	if told, code := runs(""); code != 0 || !strings.HasPrefix(told, "reporting\nreleased job:report ") {
		t.Errorf("exit %d: %s", code, told)
	}
	if told, code := runs("LOSE=it"); code != 0 || !strings.HasSuffix(told, "the lock was lost\n") {
		t.Errorf("lost: exit %d: %s", code, told)
	}
	is(t, "add", clientOf(t, address).Add(item("job:report", "alice", 0)), nil)
	if told, code := runs(""); code != 75 || !strings.HasPrefix(told, "lockcached: job:report: lock not obtained: somebody else has it") {
		t.Errorf("held: exit %d: %s", code, told)
	}
}
