package documents_test

import (
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/testenv"
)

// pages is all that a user is given to read: the README and the pages in docs.
func pages(t *testing.T) string {
	t.Helper()
	text := harness.ReadFile(t, "README.md")
	for _, path := range harness.Glob(t, "docs/*.md") {
		text += "\n" + harness.ReadFile(t, path)
	}
	return text
}

// fenced returns the blocks of a document that stand between fences.
func fenced(document string) (blocks []string) {
	for _, block := range regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$").FindAllStringSubmatch(document, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// TestReadmeDialogue pastes the README's dialogue into a shell. Its output has to be that
// in the README, except for times.
func TestReadmeDialogue(t *testing.T) {
	t.Parallel()
	blocks := fenced(harness.ReadFile(t, "README.md"))
	i := slices.IndexFunc(blocks, func(b string) bool { return strings.HasPrefix(b, "nc -C 127.0.0.1 11211 ") })
	if i < 0 || i+1 == len(blocks) {
		t.Fatal("no dialogue and what it prints")
	}
	testenv.Program(t, "nc")
	_, port, _ := net.SplitHostPort(runServer(t))
	shell := exec.Command("sh")
	shell.Stdin = strings.NewReader(strings.Replace(blocks[i], "11211", port, 1))
	printed, err := shell.CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	times := regexp.MustCompile(`_ms=[0-9.]+`)
	got := times.ReplaceAllString(strings.ReplaceAll(string(printed), "\r\n", "\n"), "_ms=")
	if want := times.ReplaceAllString(blocks[i+1], "_ms="); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// TestGoExample compares the program in docs/go.md with the one that is compiled, and
// runs it.
func TestGoExample(t *testing.T) {
	t.Parallel()
	example := harness.ReadFile(t, "tests/documents/example_test.go")
	_, program, _ := strings.Cut(example, "// docs/go.md shows these functions.\n\n")
	if program == "" || !slices.Contains(fenced(harness.ReadFile(t, "docs/go.md")), program) {
		t.Error("docs/go.md does not show the functions of example_test.go")
	}

	c := newClient(t)
	reports := 0
	report := func() { reports++ }
	is(t, "alice's report", makeReport(c, "alice", report), nil)
	is(t, "add", c.Add(item("lock:report", "bob", 30)), nil)
	is(t, "alice's unlock of bob's lock", unlock(c, "lock:report", "alice"), nil)
	holds(t, c, "lock:report", "bob")
	answer := make(chan error, 1)
	go func() { answer <- makeReport(c, "alice", report) }()
	waitForField(t, c, "lockcached:lock:lock:report", "queued=1")
	is(t, "bob's unlock", unlock(c, "lock:report", "bob"), nil)
	is(t, "alice's second report", <-answer, nil)

	is(t, "bob's second lock", poll(c, "lock:report", "bob", 0), nil)
	is(t, "alice's only try", poll(c, "lock:report", "alice", 0), memcache.ErrNotStored)
	go func() { answer <- poll(c, "lock:report", "alice", 1000) }()
	waitForField(t, c, "lockcached:lock:lock:report", "polling=1")
	is(t, "bob's second unlock", unlock(c, "lock:report", "bob"), nil)
	is(t, "alice's lock", <-answer, nil)
	is(t, "alice's unlock", unlock(c, "lock:report", "alice"), nil)
	is(t, "unlock of nothing", unlock(c, "lock:report", "alice"), memcache.ErrCacheMiss)
	if reports != 2 {
		t.Errorf("%d reports", reports)
	}
}

// TestDocumentedFields: protocol.md explains every field that describes a lock, or all
// locks.
func TestDocumentedFields(t *testing.T) {
	t.Parallel()
	address := runServer(t)
	var names []string
	for _, command := range []string{"stats lock k", "stats locks"} {
		for _, line := range harness.Ask(t, address, command) {
			names = append(names, strings.Fields(line)[1])
		}
	}
	document := harness.ReadFile(t, "protocol/protocol.md")
	for _, name := range names {
		if !strings.Contains(document, "`"+name+"`") {
			t.Errorf("protocol.md: no %s", name)
		}
	}
}

// TestDocumentedErrors: protocol.md has every error line that is in the source.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	document := strings.ReplaceAll(harness.ReadFile(t, "protocol/protocol.md"), `\|`, "|")
	line := regexp.MustCompile(`"((?:CLIENT_ERROR|SERVER_ERROR|ERROR|MEMLIMIT)[^"\\]*)`)
	for _, folder := range []string{"protocol", "server"} {
		for _, path := range harness.Glob(t, folder+"/*.go") {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, found := range line.FindAllStringSubmatch(harness.ReadFile(t, path), -1) {
				if !strings.Contains(document, "`"+found[1]) {
					t.Errorf("%s: %q is not in protocol.md", path, found[1])
				}
			}
		}
	}
}
