package page_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lockcached/lockcached/internal/harness"
	"github.com/lockcached/lockcached/internal/ports"
	"github.com/lockcached/lockcached/internal/testenv"
)

// take has a client take a lock, or be refused it.
func take(t *testing.T, s *site, key, owner string) {
	t.Helper()
	err := harness.ClientOf(t, s.Address()).Add(harness.Item(key, owner, 600))
	if err != nil && err != memcache.ErrNotStored {
		t.Fatal(err)
	}
}

func release(t *testing.T, s *site, key string) {
	t.Helper()
	if err := harness.ClientOf(t, s.Address()).Delete(key); err != nil {
		t.Fatal(err)
	}
}

// raw sends requests as they are, for keys that a client refuses. The last reply is what ends it.
func raw(t *testing.T, s *site, requests, last string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(requests)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(testenv.Patience))
	for all, buf := "", make([]byte, 4096); !strings.Contains(all, last); {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
		all += string(buf[:n])
	}
}

func id(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// wantKeys waits until the list shows these keys, in this order.
func (b *tab) wantKeys(keys ...string) {
	b.t.Helper()
	for end := time.Now().Add(waitAtMost); ; time.Sleep(20 * time.Millisecond) {
		got := b.keys()
		if slices.Equal(got, keys) {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("the list has %q, want %q", got, keys)
		}
	}
}

// Rows appear, the most wanted first, are brought up to date, and vanish.
func TestRows(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b := open(t, s.url, 1280, 800)
	b.waitFor(`document.querySelector(".empty").textContent === "No lock is held or wanted."`)
	take(t, s, "lock:a", "ann")
	b.wantKeys("lock:a")
	take(t, s, "lock:b", "bob")
	b.wantKeys("lock:a", "lock:b") // the older hold comes first
	take(t, s, "lock:b", "carol")
	b.wantKeys("lock:b", "lock:a") // it is wanted
	b.waitFor(`document.querySelector("tbody tr .line").textContent === "1 polling"`)
	first := eval[string](b, `document.querySelector("tbody tr .age span").textContent`)
	b.waitFor(`document.querySelector("tbody tr .age span").textContent !== %s`, js(first)) // it grows
	if owner := eval[string](b, `document.querySelector("tbody tr .owner").textContent`); owner != "bob" {
		t.Errorf("held by %q", owner)
	}
	release(t, s, "lock:b")
	take(t, s, "lock:b", "dora")
	b.waitFor(`document.querySelector("tbody tr .owner").textContent === "dora"`)
	release(t, s, "lock:a")
	release(t, s, "lock:b")
	b.waitFor(`document.querySelectorAll("tbody tr").length <= 1`) // a poller may be expected back
}

// While the pointer is on a row no row moves, and what has gone is shown as gone.
func TestRowsStayUnderThePointer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, key := range []string{"a", "b", "c"} {
		take(t, s, key, "ann")
	}
	b := open(t, s.url, 1280, 800)
	b.wantKeys("a", "b", "c")
	row := eval[map[string]float64](b, `(({x, y, height}) => ({x: x + 30, y: y + height / 2}))(document.querySelectorAll("tbody tr")[1].getBoundingClientRect())`)
	b.run(chromedp.MouseEvent("mouseMoved", row["x"], row["y"]))
	b.waitFor(`document.querySelector("tbody").matches(":hover")`)
	take(t, s, "c", "bob") // wanted now
	take(t, s, "d", "ann")
	release(t, s, "a")
	b.waitFor(`document.querySelectorAll("tbody tr").length === 4 && document.querySelector("tbody tr.gone")`)
	if got := eval[[]string](b, `[...document.querySelectorAll("tbody tr a")].map(a => a.textContent)`); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("%q", got)
	}
	b.run(chromedp.MouseEvent("mouseMoved", 5, 5))
	b.wantKeys("c", "b", "d")
}

// Whatever bytes a key or a name has, it is text.
func TestKeysAreText(t *testing.T) {
	t.Parallel()
	const evil = `<img/src=x/onerror=window.hit=1>`
	s := serve(t)
	keys := map[string]string{ // and how they are shown
		`<script>window.hit=1</script>`: `<script>window.hit=1</script>`,
		`"'` + "`" + `${1}&amp;`:        `"'` + "`" + `${1}&amp;`,
		"no\xff\xfeutf8":                "no%FF%FEutf8",
		"caf\u00e9":                     "caf\u00e9",
		"right\u202etoleft":             `right\u202etoleft`,
		evil:                            evil,
		"a/b?c=d#e%20f":                 "a/b?c=d#e%20f",
	}
	b := open(t, s.url, 1280, 800)
	for key := range keys {
		raw(t, s, fmt.Sprintf("add %s 0 600 %d\r\n%s\r\n", key, len(evil), evil), "STORED\r\n")
	}
	b.waitFor(`document.querySelectorAll("tbody tr").length === %d`, len(keys))
	got := b.keys()
	for key, shown := range keys {
		if !slices.Contains(got, shown) {
			t.Errorf("%q is not among %q", shown, got)
		}
		b.visit("lock/" + id(key))
		b.waitFor(`document.querySelector("h2")?.textContent === %s`, js(shown))
		b.waitFor(`document.querySelector(".holder").textContent.startsWith(%s)`, js(evil+" has it"))
	}
	b.visit("classes")
	b.waitFor(`document.querySelectorAll(".class").length >= 5`)
	if eval[bool](b, `"hit" in window || document.querySelectorAll("main img, main script").length > 0`) {
		t.Error("a key or a name was taken for HTML")
	}
}

// search goes to the search field with its key, and types.
func (b *tab) search(text string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent("/"))
	b.waitFor(`document.activeElement.id === "search"`)
	// The driver types the slash although the page has taken the key.
	eval[bool](b, `(document.activeElement.value = "", true)`)
	b.run(chromedp.KeyEvent(text))
}

// Everything can be done with the keyboard.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, key := range []string{"lock:a", "lock:b", "job:c"} {
		take(t, s, key, "ann")
	}
	b := open(t, s.url, 1280, 800)
	b.wantKeys("lock:a", "lock:b", "job:c")
	b.search("job")
	b.wantKeys("job:c")
	b.run(chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent("lock:*"))
	b.wantKeys("lock:a", "lock:b")
	b.run(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	if at := eval[string](b, `document.activeElement.textContent`); at != "lock:b" {
		t.Errorf("the focus is on %q", at)
	}
	b.run(chromedp.KeyEvent(kb.Enter))
	b.waitFor(`document.querySelector("h2")?.textContent === "lock:b"`)
	// From the start of the page Tab reaches all views and the buttons, and each shows where the focus is.
	var reached []string
	for range 30 {
		b.run(chromedp.KeyEvent(kb.Tab))
		at := eval[string](b, `document.activeElement === document.body ? "" : document.activeElement.textContent.trim()`)
		if at == "" && len(reached) > 0 {
			break
		}
		if !eval[bool](b, `document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== "none"`) {
			t.Errorf("no outline on %q", at)
		}
		reached = append(reached, at)
	}
	for _, want := range []string{"Now", "auto", "5 min", "/metrics"} {
		if !slices.Contains(reached, want) {
			t.Errorf("%q is not among %q", want, reached)
		}
	}
}

// Every control has a name, and text stands out from its ground, in light and dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	s := serve(t, "--admin-write")
	take(t, s, "lock:a", "ann")
	take(t, s, "lock:a", "bob")
	light, night := open(t, s.url, 1280, 800), open(t, s.url, 1280, 800, dark())
	ground := func(b *tab) string { return eval[string](b, `getComputedStyle(document.body).backgroundColor`) }
	if ground(light) == ground(night) {
		t.Errorf("both are %s", ground(light))
	}
	for _, b := range []*tab{light, night} {
		for _, hash := range []string{"now", "lock/" + id("lock:a"), "classes", "server"} {
			b.visit(hash)
			b.waitFor(`document.querySelector("#view").className === %s && document.querySelector("#view").ariaBusy === "false"`, js(strings.Split(hash, "/")[0]))
			if faint := eval[[]string](b, `(%s)()`, faintTexts); len(faint) > 0 {
				t.Errorf("%s: %q", hash, faint)
			}
			if nameless := eval[int](b, `[...document.querySelectorAll("a, button, input, [role=img]")].filter(e => e.checkVisibility() &&
				!(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.title)).length`); nameless > 0 {
				t.Errorf("%s: %d controls or pictures have no name", hash, nameless)
			}
		}
	}
}

// faintTexts lists texts whose contrast is below 4.5 to 1, as WCAG 2.2 computes it.
const faintTexts = `() => {
	const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return c.startsWith("color(") ? [n[0]*255, n[1]*255, n[2]*255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1] };
	const over = (top, under) => top.slice(0, 3).map((x, i) => x * top[3] + under[i] * (1 - top[3]));
	const ground = (e) => { if (!e) return [255, 255, 255]; const c = parse(getComputedStyle(e).backgroundColor); return c[3] === 1 ? c.slice(0, 3) : over(c, ground(e.parentElement)) };
	const light = (c) => { const [r, g, b] = c.map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	const faint = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest("template, noscript, .gone")) continue;
		const style = getComputedStyle(e), under = ground(e);
		const [a, b] = [light(over(parse(e instanceof SVGElement ? style.fill : style.color), under)), light(under)].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(e.textContent + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
	}
	return faint;
}`

// On a phone and on a desk nothing sticks out, and nothing lies over something else.
func TestNothingOverlaps(t *testing.T) {
	t.Parallel()
	s := serve(t, "--admin-write")
	long := "lock:" + strings.Repeat("long-name-", 20)
	for _, key := range []string{"lock:a", long, "job/1/run"} {
		for n := range 3 {
			take(t, s, key, fmt.Sprintf("a-host-with-a-long-name.example.com:%d", n))
		}
	}
	for _, width := range []int64{390, 1280} {
		b := open(t, s.url, width, 800)
		for _, hash := range []string{"now", "lock/" + id(long), "lock/" + id("lock:a"), "classes", "server"} {
			b.visit(hash)
			b.waitFor(`document.querySelector("#view").className === %s && document.querySelector("#view").ariaBusy === "false"`, js(strings.Split(hash, "/")[0]))
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > width {
				t.Errorf("%d px: %s is %d px wide", width, hash, wide)
			}
			if over := eval[[]string](b, `(%s)()`, overlapping); len(over) > 0 {
				t.Errorf("%d px: %s: %q", width, hash, over)
			}
		}
	}
}

// overlapping lists pairs of texts that lie over each other, and texts that stick out of the page.
const overlapping = `() => {
	const boxes = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest("template, noscript, caption, details:not([open])")) continue;
		const range = document.createRange();
		for (const n of e.childNodes) {
			if (n.nodeType !== 3 || !n.data.trim()) continue;
			range.selectNodeContents(n);
			for (const r of range.getClientRects()) boxes.push([r, e.textContent.trim().slice(0, 40), e]);
		}
	}
	const wrong = boxes.filter(([r]) => r.right > innerWidth + 1 || r.left < -1).map(([, text]) => "sticks out: " + text);
	for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
		const [a, one, e] = boxes[i], [b, other, f] = boxes[j];
		if (e.contains(f) || f.contains(e)) continue;
		if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3) wrong.push(one + " | " + other);
	}
	return wrong.slice(0, 10);
}`

// An open page says that the server is gone, and goes on with the next one.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	port, err := ports.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	s := serveAt(t, port)
	take(t, s, "lock:before", "ann")
	b := open(t, s.url, 1280, 800)
	b.wantKeys("lock:before")
	s.Stop()
	b.waitFor(`document.querySelector("#state").textContent.startsWith("not reachable")`)
	if keys := b.keys(); !slices.Equal(keys, []string{"lock:before"}) { // the last that was known, faint
		t.Errorf("%q", keys)
	}
	s = serveAt(t, port)
	t.Cleanup(s.Stop)
	take(t, s, "lock:after", "bob")
	b.wantKeys("lock:after")
	b.waitFor(`document.querySelector("#state").textContent === "live"`)
}

// A hidden page asks nothing, and one that is seen again asks at once.
func TestHiddenPageAsksNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b := open(t, s.url, 1280, 800)
	b.waitFor(`document.querySelector("#state").textContent === "live"`)
	asked := make(chan string, 1000)
	if err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok {
			asked <- e.Request.URL
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
		return err
	}))
	<-asked
	hide := func(hidden bool) {
		eval[bool](b, `(Object.defineProperty(document, "hidden", {configurable: true, value: %v}), document.dispatchEvent(new Event("visibilitychange")))`, hidden)
	}
	hide(true)
	// In the page's own time much more than one interval passes.
	eval[bool](b, `(window.waited = 0, setInterval(() => window.waited++, 100), true)`)
	for len(asked) > 0 { // those from before
		<-asked
	}
	b.waitFor(`window.waited > 35`)
	if len(asked) > 0 {
		t.Errorf("asked for %s", <-asked)
	}
	hide(false)
	<-asked
	b.waitFor(`document.querySelector("#state").textContent === "live"`)
}

// Ten thousand locks: the most wanted are shown, the others are found, and the page stays quick.
func TestManyLocks(t *testing.T) {
	t.Parallel()
	const locks = 10_000
	s := serve(t)
	var b strings.Builder
	for i := range locks {
		fmt.Fprintf(&b, "add lock:%05d 0 600 3 noreply\r\nann\r\n", i)
	}
	raw(t, s, b.String()+"mn\r\n", "MN\r\n")
	take(t, s, "lock:07777", "bob")
	page := open(t, s.url, 1280, 800)
	page.waitFor(`document.querySelector(".sum").textContent.startsWith("10\u202f000 held")`)
	page.waitFor(`document.querySelector("tbody a").textContent === "lock:07777"`)
	if rows := eval[int](page, `document.querySelectorAll("tbody tr").length`); rows != 200 {
		t.Errorf("%d rows", rows)
	}
	page.search("09999")
	page.wantKeys("lock:09999")
	eval[bool](page, `(document.querySelector("#search").value = "", document.querySelector("#search").dispatchEvent(new Event("input")), true)`)
	page.waitFor(`document.querySelectorAll("tbody tr").length === 200`)
	for _, rows := range []int{400, 800, 1000} {
		eval[bool](page, `(document.querySelector(".more button").click(), true)`)
		page.waitFor(`document.querySelectorAll("tbody tr").length === %d`, rows)
	}
	// No task of the page's script may block it: the longest of some seconds is told, not judged, since
	// the machine may be busy.
	longest := eval[float64](page, `window.longest ??= 0, (new PerformanceObserver((l) => l.getEntries().forEach((e) => window.longest = Math.max(window.longest, e.duration)))).observe({type: "longtask"}), window.longest`)
	eval[bool](page, `(window.ticks = 0, setInterval(() => window.ticks++, 100), true)`)
	page.waitFor(`window.ticks > 20`)
	longest = max(longest, eval[float64](page, `window.longest`))
	t.Logf("the longest task with 1000 rows took %.0f ms", longest)
}

// The timeline has the holds, tries and waits of a lock, and the distribution where its present hold
// stands.
func TestTimeline(t *testing.T) {
	t.Parallel()
	const key = "lock:a"
	s := serve(t)
	ann := harness.ClientOf(t, s.Address())
	for range 10 {
		take(t, s, key, "ann")
		take(t, s, key, "bob") // refused
		if err := ann.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	take(t, s, key, "ann")
	served := make(chan error, 1)
	waiter := harness.ClientOf(t, s.Address())
	waiter.Timeout = testenv.Patience
	go func() { served <- waiter.Add(harness.Item("lockcached:wait=5m:"+key, "carol", 600)) }()
	b := open(t, s.url+"#lock/"+id(key), 1280, 800)
	b.waitFor(`[...document.querySelectorAll(".queue b")].some((e) => e.textContent === "carol")`)
	b.waitFor(`document.querySelectorAll(".timeline rect.released").length >= 20 && document.querySelector(".timeline rect.open")`)
	b.waitFor(`document.querySelector(".timeline circle.refused") && document.querySelector(".timeline circle.queued") && document.querySelector(".timeline line.wait")`)
	b.waitFor(`document.querySelectorAll(".distribution rect.released").length > 0 && document.querySelector(".distribution line.age")`)
	rows := eval[[]string](b, `[...document.querySelectorAll(".timeline text:not(.axis)")].map((e) => e.textContent)`)
	for _, name := range []string{"ann", "bob", "carol", "lock"} {
		if !slices.Contains(rows, name) {
			t.Errorf("no row of %s: %q", name, rows)
		}
	}
	if err := ann.Delete(key); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	b.waitFor(`document.querySelector(".holder").textContent.startsWith("carol has it")`)
	b.waitFor(`document.querySelector(".queue b") === null || ![...document.querySelectorAll(".queue b")].some((e) => e.textContent === "carol")`)
	for _, window := range []string{"10 s", "1 min", "5 min"} {
		eval[bool](b, `([...document.querySelectorAll(".windows button")].find((e) => e.textContent === %s).click(), true)`, js(window))
		b.waitFor(`document.querySelector(".windows [aria-pressed=true]").textContent === %s`, js(window))
		b.waitFor(`document.querySelectorAll(".timeline rect.released").length >= 20 || %v`, window == "10 s")
	}
}

// A lock is released after a question, by its token; a page that only reads has no button.
func TestReleaseInThePage(t *testing.T) {
	t.Parallel()
	reads, writes := serve(t), serve(t, "--admin-write")
	for _, s := range []*site{reads, writes} {
		take(t, s, "lock:a", "ann")
	}
	b := open(t, reads.url+"#lock/"+id("lock:a"), 1280, 800)
	b.waitFor(`document.querySelector(".holder").textContent.startsWith("ann has it")`)
	b = open(t, writes.url+"#lock/"+id("lock:a"), 1280, 800)
	b.waitFor(`document.querySelector(".release").checkVisibility()`)
	for _, answer := range []string{"no", "yes"} {
		eval[bool](b, `(document.querySelector(".release button").click(), true)`)
		b.waitFor(`document.querySelector("dialog[open]")`)
		if text := eval[string](b, `document.querySelector("dialog").innerText`); !strings.Contains(text, "lock:a, held by ann") {
			t.Errorf("asks %q", text)
		}
		eval[bool](b, `(document.querySelector("dialog button[value=%s]").click(), true)`, answer)
		b.waitFor(`!document.querySelector("dialog")`)
		held := harness.ClientOf(t, writes.Address())
		if answer == "no" {
			harness.Holds(t, held, "lock:a", "ann")
		}
	}
	b.waitFor(`document.querySelector(".holder").textContent === "Nobody has it."`)
}

// The views of classes and of the server have what they promise.
func TestClassesAndServer(t *testing.T) {
	t.Parallel()
	s := serve(t, "--data", t.TempDir())
	take(t, s, "lock:a", "ann")
	b := open(t, s.url+"#classes", 1280, 800)
	b.waitFor(`document.querySelector(".class h3")?.textContent === "lock"`)
	b.waitFor(`document.querySelectorAll(".class polyline").length === 4`)
	b.visit("server")
	b.waitFor(`document.querySelector(".journal").checkVisibility() && !document.querySelector(".cluster").checkVisibility()`)
	b.waitFor(`document.querySelector(".process").innerText.includes("version") && document.querySelector(".effect").innerText.includes("max wait")`)
	b.waitFor(`document.querySelector(".warnings").checkVisibility()`)
}
