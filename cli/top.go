package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A watching is "lockcached top".
type watching struct {
	remote
	interval time.Duration
	limit    int
	before   sample
}

const topNotes = `
It redraws until q or Ctrl-C is pressed. Not on a terminal, and with --json, it prints once.
`

const defaultInterval = 2 * time.Second

func newTop() task { return &watching{remote: newRemote(), interval: defaultInterval, limit: 20} }

func (w *watching) options() []option {
	return append(w.remote.options(), limitOption(&w.limit), option{
		flag: flag{short: "n", long: "interval", arg: "duration", usage: "time between two looks (default: " + defaultInterval.String() + ")"},
		take: func(value string) error { return someTime(&w.interval, value) },
	})
}

func (w *watching) run(a *app, args arguments) error {
	if err := cmp.Or(args.wordless("top"), w.finish()); err != nil {
		return err
	}
	if screen, ok := a.stdout.(*os.File); ok && isTerminal(screen) && isTerminal(os.Stdin) && !w.json {
		return w.watch(a, screen)
	}
	locks, answers := w.held(w.limit)
	err := a.print(w.json, locks, func() string { return w.summary(w.take()) + "\n\n" + w.table(locks).String() })
	return cmp.Or(err, a.complain(answers))
}

// watch redraws the screen until a key or a signal ends it.
func (w *watching) watch(a *app, screen *os.File) error {
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
		columns, rows := page.size()
		draw(screen, w.frame(rows), columns, rows)
		select {
		case <-tick.C:
		case <-suspend:
			page.suspend()
		case sig := <-a.signals:
			if stops(sig) {
				return nil
			}
		case <-quit:
			return nil
		}
	}
}

// awaitKey returns when one of the keys is pressed, or no more can be.
func awaitKey(keyboard io.Reader, keys string) {
	for key := make([]byte, 1); ; {
		if _, err := keyboard.Read(key); err != nil || strings.Contains(keys, string(key)) {
			return
		}
	}
}

// draw writes over what was on the screen.
func draw(screen io.Writer, text string, columns, rows int) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines[:min(len(lines), rows)] {
		if i > 0 {
			b.WriteByte('\n')
		}
		runes := []rune(line)
		b.WriteString(string(runes[:min(len(runes), columns)]) + "\x1b[K")
	}
	fmt.Fprint(screen, b.String()+"\x1b[J")
}

// headRows are those above the locks, and below them.
const headRows = 5

// frame is all that is on the screen.
func (w *watching) frame(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s   every %s   %s   q quits\n", strings.Join(w.servers, " "), about(w.interval), time.Now().Format(time.TimeOnly))
	b.WriteString(w.summary(w.take()) + "\n")
	locks, answers := w.held(max(1, min(w.limit, rows-headRows)))
	for _, x := range answers {
		if x.err != nil {
			fmt.Fprintf(&b, "%s: %v\n", x.server, x.err)
		}
	}
	b.WriteString("\n" + w.table(locks).String())
	return b.String()
}

// A sample is what all servers have counted until a moment.
type sample struct {
	at     time.Time
	counts map[string]uint64
}

// take asks all servers what they have counted.
func (w *watching) take() sample {
	s := sample{time.Now(), make(map[string]uint64)}
	for _, x := range w.askAll("stats locks") {
		for _, f := range parseStats(x.lines) {
			s.counts[f.name] += fields{f}.count(f.name)
		}
	}
	return s
}

// summary tells what there is now, and how often what happened since the sample before.
func (w *watching) summary(now sample) string {
	before := w.before
	w.before = now
	text := fmt.Sprintf("%d held, %d queued, %d polling", now.counts["held"], now.counts["queued"], now.counts["polling"])
	if before.at.IsZero() {
		return text
	}
	text += "; a second:"
	for i, name := range []string{"acquired", "handed_off", "refused", "expired"} {
		happened := int64(now.counts[name] - before.counts[name]) // less than 0 after "stats reset"
		perSecond := float64(max(0, happened)) / now.at.Sub(before.at).Seconds()
		text += strings.Repeat(",", min(i, 1)) + fmt.Sprintf(" %.4g %s", perSecond, strings.ReplaceAll(name, "_", " "))
	}
	return text
}
