// Package page tests the page of the admin address in a real browser: Chromium, driven over its own
// protocol.
package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/ports"
	"github.com/lockcached/lockcached/internal/testenv"
)

func TestMain(m *testing.M) { harness.Main(m) }

// chromium is one browser for all tests, started when the first one needs it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-prefers-reduced-motion", false),
		chromedp.WSURLReadTimeout(testenv.Patience))
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(allocator) // it ends with this process
	return browser, chromedp.Do(browser)
})

// needBrowser skips the test if there is no browser. With one, go test ./... runs one test in it; the
// others run where peers are required, or with LOCKCACHED_BROWSER_TESTS=all. With
// LOCKCACHED_BROWSER_TESTS=separately none runs.
func needBrowser(t *testing.T) context.Context {
	t.Helper()
	switch wanted := os.Getenv("LOCKCACHED_BROWSER_TESTS"); {
	case wanted == "separately":
		t.Skip("the tests in a browser run separately")
	case wanted == "" && os.Getenv(testenv.RequirePeers) != "1" && t.Name() != "TestRows" && t.Name() != "TestPictures":
		t.Skip("runs with LOCKCACHED_BROWSER_TESTS=all")
	}
	browser, err := chromium()
	if err != nil {
		testenv.Missing(t, err)
	}
	return browser
}

// A step is what a tab can be told to do.
type step = chromedp.Action[chromedp.Void]

// A tab is a page in a window of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex // guards what follows
	errors []string   // that the page's script has thrown or logged
}

// open opens a page of a size, in pixels.
func open(t *testing.T, url string, width, height int64, actions ...step) *tab {
	t.Helper()
	browser := needBrowser(t)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	b.run(chromedp.EmulateViewport(width, height)) // makes the tab, which would end with a context that has a deadline
	b.ctx, cancel = context.WithTimeout(ctx, testenv.Patience)
	t.Cleanup(cancel)
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.run(append(actions, chromedp.Navigate(url))...)
	t.Cleanup(b.wantNoErrors)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		b.errors = append(b.errors, string(text))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			text, _ := json.Marshal(e.Args)
			b.errors = append(b.errors, string(text))
		}
	}
}

// wantNoErrors fails the test if the page's script had errors.
func (b *tab) wantNoErrors() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) > 0 {
		b.t.Errorf("the page had errors: %s", strings.Join(b.errors, "\n"))
	}
}

func (b *tab) run(steps ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of an expression in the page.
func eval[T any](b *tab, format string, args ...any) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](fmt.Sprintf(format, args...)))
	if err != nil {
		b.t.Fatalf("%v: %s", err, fmt.Sprintf(format, args...))
	}
	return value
}

// waitFor waits until an expression is true.
func (b *tab) waitFor(format string, args ...any) {
	b.t.Helper()
	expression := fmt.Sprintf(format, args...)
	for end := time.Now().Add(waitAtMost); !eval[bool](b, "!!(%s)", expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not within %v: %s in\n%s", waitAtMost, expression, eval[string](b, "document.body.innerText"))
		}
	}
}

// waitAtMost is less than the life of a tab, so that it can still tell what it shows.
const waitAtMost = testenv.Patience - time.Minute

// js is a string as an expression.
func js(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// keys are the keys that the list of locks shows, in order.
func (b *tab) keys() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll("tbody tr:not(.gone) a")].map(a => a.textContent)`)
}

// go to another view.
func (b *tab) visit(hash string) {
	b.t.Helper()
	eval[string](b, "location.hash = %s", js(hash))
}

// screenshot writes a picture of the whole page to a file.
func (b *tab) screenshot(path string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		b.t.Error(err)
	}
}

// dark has the page believe that its user prefers dark colours.
func dark() step {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	})
}

// A site is a server with its page.
type site struct {
	*harness.Process
	url string
}

// serve starts a server with a page.
func serve(t *testing.T, flags ...string) *site {
	t.Helper()
	needBrowser(t)
	port, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	s := serveAt(t, port, flags...)
	t.Cleanup(s.Stop)
	return s
}

func serveAt(t *testing.T, port int, flags ...string) *site {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return &site{harness.Start(t, append([]string{"--admin", address}, flags...)...), "http://" + address + "/"}
}
