package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestCutMiddle(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"lock:x", 6, "lock:x"}, {"lock:xyz", 6, "loc…yz"}, {"lock:xyz", 5, "lo…yz"}, {"lock", 2, "l…"}, {"lock", 1, "l"},
		{"日本語のキー", 12, "日本語のキー"}, {"日本語のキー", 8, "日本…ー"}, {"日本語のキー", 7, "日…ー"}, {"日本", 1, ""},
		{"ae\u0301xxxxxxe\u0301z", 5, "ae\u0301…e\u0301z"}, {"xxxxxxxxe\u0301z", 3, "x…z"}, {"", 0, ""}, {"x", 0, ""},
	} {
		if got := cutMiddle(tt.text, tt.width); got != tt.want {
			t.Errorf("%s to %d: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

func TestTableLinesUpWideCharacters(t *testing.T) {
	tt := newTable()
	tt.row("KEY", "AGE")
	tt.row("日本", "1s")
	tt.row("cafe\u0301", "2s")
	if got, want := tt.String(), "KEY   AGE\n日本  1s\ncafe\u0301  2s\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// However narrow a terminal is, no line is wider than it, and no key is left out.
func TestListFits(t *testing.T) {
	key := "report:" + strings.Repeat("x", 155) + ":end17"
	var locks []fields
	for _, key := range []string{key, "short", "日本語のキー:漢字", "esc\x1b[31m"} {
		locks = append(locks, fields{
			{"key", key}, {"server", "cache-1.example.com:11211"}, {"held", "1"}, {"owner", strings.Repeat("o", 120)}, {"token", "1795263491651601458"},
			{"age_ms", "61000"}, {"ttl_ms", "-1"}, {"queued", "12"}, {"polling", "3"}, {"retry_ms", "20700"},
		})
	}
	for _, servers := range [][]string{{"one:1"}, {"one:1", "two:2"}} {
		r := remote{servers: servers}
		for width := 1; width < 250; width++ {
			lines := strings.Split(strings.TrimSuffix(r.table(locks, width).String(), "\n"), "\n")
			if len(lines) != 5 {
				t.Fatalf("%d lines in %d columns", len(lines), width)
			}
			for _, line := range lines {
				if w := runewidth.StringWidth(line); w > width {
					t.Errorf("%d servers: %d columns in %d: %s", len(servers), w, width, line)
				}
			}
		}
	}
	got := strings.Fields(strings.Split((&remote{servers: []string{"one:1"}}).table(locks, 80).String(), "\n")[1])
	if want := "1m1s no end 12 3 20.7s"; !strings.HasPrefix(got[0], "report:x") || !strings.HasSuffix(got[0], ":end17") || strings.Join(got[2:], " ") != want {
		t.Errorf("in 80 columns: %q", got)
	}
	whole := (&remote{servers: []string{"one:1"}}).table(locks, 0).String()
	if !strings.Contains(whole, key) || !strings.Contains(whole, "1795263491651601458") {
		t.Errorf("what is no terminal is not to be cut for: %s", whole)
	}
}

func TestOrders(t *testing.T) {
	lock := func(key, held string, age, ttl, queued, polling, token int) fields {
		number := func(n int) string { return fmt.Sprint(n) }
		return fields{{"key", key}, {"owner", key}, {"server", "s"}, {"held", held}, {"age_ms", number(age)}, {"ttl_ms", number(ttl)},
			{"queued", number(queued)}, {"polling", number(polling)}, {"waiters", number(queued + polling)}, {"token", number(token)}, {"retry_ms", number(ttl)}}
	}
	locks := []fields{lock("b", "1", 10, 50, 2, 0, 3), lock("a", "1", 30, -1, 0, 1, 1), lock("d", "0", 0, 0, 0, 1, 0), lock("c", "1", 20, 40, 0, 0, 2)}
	for sort, want := range map[string]string{
		"": "b a d c", "waiters": "b a d c", "key": "a b c d", "owner": "a b c d", "age": "a c b d", "ttl": "c b a d",
		"queued": "b a d c", "polling": "a d b c", "token": "b c a d", "server": "b a d c", "retry": "a d c b",
	} {
		var keys []string
		for _, lock := range slices.SortedStableFunc(slices.Values(locks), (&choice{sort: sort}).order()) {
			keys = append(keys, lock.text("key"))
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s: %s, want %s", sort, got, want)
		}
	}
	byKey := choice{sort: "key", reverse: true}
	if got := slices.SortedStableFunc(slices.Values(locks), byKey.order()); got[0].text("key") != "d" {
		t.Errorf("reversed: %v", got)
	}
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                     "0s",
		123456 * time.Nanosecond:              "0s",
		12 * time.Millisecond:                 "12ms",
		1234 * time.Millisecond:               "1.2s",
		75*time.Second + 400*time.Millisecond: "1m15s",
		3*time.Hour + 20*time.Minute + 29*time.Second: "3h20m",
		10 * 24 * time.Hour:                           "10d",
	} {
		if got := about(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
