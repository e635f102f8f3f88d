package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// A topCommand is "lockcached top".
type topCommand struct {
	remote
	choice
	interval time.Duration
	before   sample
}

const topNotes = `
With --coalesce, --stale or --early it also shows how many values are being computed, and what that spares.
It redraws until q or Ctrl-C is pressed. Without a terminal, or with --json, it prints once. PATTERN
is a glob that the keys have to match, such as 'lock:*'. The list is that of lockcached ls; of a
cluster it is that of all nodes, of which one suffices.
`

const defaultInterval = 2 * time.Second

func newTop() task {
	return &topCommand{remote: newRemote(), interval: defaultInterval, choice: choice{limit: 20}}
}

func (w *topCommand) options() []option {
	return append(append(w.remote.options(), w.choice.options()...), option{
		short: "n", long: "interval", arg: "duration", usage: "time between two updates (default: " + defaultInterval.String() + ")",
		take: positive(&w.interval),
	})
}

func (w *topCommand) run(a *App, args arguments) error {
	if err := cmp.Or(w.takePattern("top", args), w.finish()); err != nil {
		return err
	}
	if screen, ok := a.Stdout.(*os.File); ok && term.Is(screen) && term.Is(os.Stdin) && !w.json {
		return w.watch(a, screen)
	}
	if err := w.spread(); err != nil {
		return err
	}
	locks, answers := w.held(w.choice)
	err := a.print(w.json, locks, func() string { return w.summary(w.take()) + "\n\n" + w.table(locks, a.columns()).String() })
	return cmp.Or(err, a.complain(answers))
}

// watch redraws the screen until a key or a signal ends it.
func (w *topCommand) watch(a *App, screen *os.File) error {
	page, err := openPage(screen, os.Stdin)
	if err != nil {
		return err
	}
	defer page.close()
	suspend := make(chan os.Signal, 1)
	signal.Notify(suspend, syscall.SIGTSTP)
	defer signal.Stop(suspend)
	quit := make(chan struct{})
	go func() {
		defer close(quit)
		awaitKey(os.Stdin, "qQ")
	}()
	for tick := time.NewTicker(w.interval); ; {
		columns, rows := terminalSize(screen)
		draw(screen, w.frame(columns, rows), columns, rows)
		select {
		case <-tick.C:
		case <-suspend:
			page.suspend()
		case sig := <-a.Signals:
			if sig != syscall.SIGHUP {
				return nil
			}
		case <-quit:
			return nil
		}
	}
}

// awaitKey returns when one of the keys is pressed, or the keyboard is gone.
func awaitKey(keyboard io.Reader, keys string) {
	for key := make([]byte, 1); ; {
		if _, err := keyboard.Read(key); err != nil || strings.Contains(keys, string(key)) {
			return
		}
	}
}

// draw overwrites the screen.
func draw(screen io.Writer, text string, columns, rows int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines[:min(len(lines), rows)] {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(runewidth.Truncate(line, columns, "") + "\x1b[K")
	}
	fmt.Fprint(screen, b.String()+"\x1b[J")
}

// headRows is how many rows of the screen do not show locks.
const headRows = 5

// frame is the text on the screen.
func (w *topCommand) frame(columns, rows int) string {
	var b strings.Builder
	trouble := w.spread()
	fmt.Fprintf(&b, "%s   every %s   %s   q quits\n", strings.Join(w.servers, " "), about(w.interval), time.Now().Format(time.TimeOnly))
	summary := w.summary(w.take())
	b.WriteString(summary + "\n")
	fitting := w.choice
	fitting.limit = max(1, min(w.limit, rows-headRows-strings.Count(summary, "\n")))
	locks, answers := w.held(fitting)
	for _, x := range answers {
		if x.err != nil {
			fmt.Fprintf(&b, "%s: %v\n", x.name, x.err)
		}
	}
	if trouble != nil {
		fmt.Fprintf(&b, "%v\n", trouble)
	}
	b.WriteString("\n" + w.table(locks, columns).String())
	return b.String()
}

// A sample is what all servers together have counted up to a moment.
type sample struct {
	at       time.Time
	counts   map[string]uint64
	settling time.Duration // how much longer a server grants no locks
	fills    bool          // a server has policies for fills
}

// take asks all servers what they have counted.
func (w *topCommand) take() sample {
	s := sample{at: time.Now(), counts: make(map[string]uint64)}
	for _, x := range w.askAll("stats locks") {
		s.settling = max(s.settling, parseStats(x.lines).ms("settling_ms"))
		for _, f := range parseStats(x.lines) {
			s.counts[f.name] += fields{f}.count(f.name)
		}
	}
	for _, x := range w.askAll("stats fills") {
		for _, f := range parseStats(x.lines) { // none from a server without such policies
			s.fills = true
			s.counts[f.name] += fields{f}.count(f.name)
		}
	}
	return s
}

// summary says what there is now, and how often a second things have happened since the last sample.
func (w *topCommand) summary(now sample) string {
	before := w.before
	w.before = now
	text := w.locksSummary(now, before)
	if now.fills {
		text += fmt.Sprintf("\n%d being filled, %d gets held back", now.counts["filling"], now.counts["held_gets"])
		text += now.rates(before, "fills", "coalesced", "served_stale", "fell_through", "abandoned")
	}
	return text
}

func (w *topCommand) locksSummary(now, before sample) string {
	text := fmt.Sprintf("%d held, %d queued, %d polling", now.counts["held"], now.counts["queued"], now.counts["polling"])
	if now.settling > 0 {
		text += "; no lock is granted for another " + about(now.settling) + " (--settle)"
	}
	return text + now.rates(before, "acquired", "handed_off", "refused", "expired")
}

// rates says how often a second things have happened since the sample before; nothing if there
// was none.
func (s sample) rates(before sample, names ...string) string {
	if before.at.IsZero() {
		return ""
	}
	text := "; a second:"
	for i, name := range names {
		happened := int64(s.counts[name] - before.counts[name]) // negative after "stats reset"
		perSecond := float64(max(0, happened)) / s.at.Sub(before.at).Seconds()
		text += strings.Repeat(",", min(i, 1)) + fmt.Sprintf(" %.4g %s", perSecond, strings.ReplaceAll(name, "_", " "))
	}
	return text
}
