package cli

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// finished is how a command line ended, and what it printed.
type finished struct {
	code           int
	stdout, stderr string
}

func execute(args ...string) finished {
	var stdout, stderr bytes.Buffer
	code := run(append([]string{"lockcached"}, args...), &stdout, &stderr, nil)
	return finished{code, stdout.String(), stderr.String()}
}

// A wire is a connection to a server.
type wire struct {
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, addr string) wire {
	t.Helper()
	conn, err := net.Dial(network(addr), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return wire{t, conn}
}

// add claims a lock, and returns the answer.
func (w wire) add(key, owner string) string {
	w.t.Helper()
	return w.send(fmt.Sprintf("add %s 0 60 %d\r\n%s", key, len(owner), owner))
}

// send sends a request, and returns the answer.
func (w wire) send(request string) string {
	w.t.Helper()
	fmt.Fprintf(w.conn, "%s\r\n", request)
	answer := make([]byte, 100)
	n, err := w.conn.Read(answer)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(answer[:n]))
}

// nowhere is an address at which nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// stranger is a server that gives one answer to everything.
func stranger(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, answer)
			defer conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestCommandHelp(t *testing.T) {
	server := output(t, "-h")
	for _, c := range allCommands() {
		help := output(t, c.name, "-h")
		if help != output(t, "help", c.name) {
			t.Errorf("help %s and %s -h differ", c.name, c.name)
		}
		if !strings.Contains(server, "lockcached "+c.name+" ") || !strings.HasPrefix(help, "lockcached "+c.name) {
			t.Errorf("%s: not in the server's help, or %q", c.name, help)
		}
		for line := range strings.Lines(help) {
			if utf8.RuneCountInString(line) > 110 {
				t.Errorf("too wide: %s", line)
			}
		}
		for _, o := range c.task().options() {
			if !strings.Contains(help, "--"+o.long) {
				t.Errorf("the help of %s lacks --%s", c.name, o.long)
			}
		}
	}
	if output(t, "help") != server {
		t.Error("help without a word is not the server's help")
	}
}

func TestCommandRefusals(t *testing.T) {
	tests := []struct{ args, want string }{
		{"ls --foo", "--foo: unknown flag; lockcached ls -h lists"},
		{"ls -x", "-x: unknown flag; lockcached ls -h lists"},
		{"ls --limit", "--limit: needs a value: --limit <num>"},
		{"ls --limit 0", "--limit 0: should be a number from 1 to 10000"},
		{"ls --limit=many", "--limit many: should be a number from 1 to 10000"},
		{"ls --json=yes", "--json=yes: takes no value"},
		{"ls --server a:b", "--server a:b: should be host, host:port"},
		{"ls --server localhost,,", "--server: should be host, host:port"},
		{"ls --timeout soon", "--timeout soon: should be a duration"},
		{"ls --timeout 0", "--timeout 0: should be longer than 0"},
		{"ls lock:* job:*", "job:*: is one word too many: lockcached ls takes one pattern"},
		{"ls [a", "pattern [a: \"[a\" is no glob"},
		{"ls --sort color", "--sort color: should be one of age, key, owner, "},
		{"ls --sevrer x", "--sevrer: unknown flag (did you mean --server?); lockcached ls -h lists"},
		{"ls -p 1", "-p: is a flag of the server; lockcached ls -h lists those of lockcached ls"},
		{"-p 1 ls", "-p: is a flag of the server; lockcached ls -h lists those of lockcached ls"},
		{"--server x", "--server: belongs to a command, as in lockcached lock --server"},
		{"--sever x ls", "--sever: unknown flag (did you mean --server?); lockcached -h lists"},
		{"version of what", "of: belongs to no flag; lockcached version -h lists them"},
		{"top -n 0", "--interval 0: should be longer than 0"},
		{"ping -- x", "x: belongs to no flag"},
		{"show", "show: needs the key of a lock: lockcached show KEY"},
		{"show a b", "b: is one word too many: lockcached show takes one key"},
		{"show " + strings.Repeat("x", 251), "key \"xxx"},
		{"release k", "release k: needs --token <num>, to end that grant alone"},
		{"release k --token x", "--token x: should be a number greater than 0"},
		{"release k --token 1 --force", "--force: give either --token or --force"},
		{"completion", "completion: should be followed by bash, zsh or fish"},
		{"completion tcsh", "completion: should be followed by bash, zsh or fish"},
		{"help me", "me: there is no such command; lockcached -h lists them"},
		{"help lokc", "lokc: there is no such command (did you mean lock?); lockcached -h lists them"},
		{"lock", "lock: needs the key of a lock: lockcached lock KEY [flags] -- COMMAND"},
		{"lock k", "lock k: needs a command behind --"},
		{"lock k --", "lock k: needs a command behind --"},
		{"lock k true -- true", "true: is one word too many in front of --"},
		{"lock k --wait 1s --no-wait -- true", "--no-wait: give either --wait or --no-wait"},
		{"lock k --ttl 500ms -- true", "--ttl 500ms: should be at least 1s, and end before 19 January 2038"},
		{"lock k --ttl 200000h -- true", "--ttl 200000h: should be at least 1s, and end before 19 January 2038"},
		{"lock k --wait 5 -- true", "--wait 5: a duration needs a unit: 5s or 5ms"},
		{"lock k --ttl=30 -- true", "--ttl 30: a duration needs a unit: 30s or 30ms"},
		{"--ttl 30 lock k -- true", "--ttl 30: a duration needs a unit: 30s or 30ms"},
		{"top -n 2", "--interval 2: a duration needs a unit: 2s or 2ms"},
		{"ls --timeout .5", "--timeout .5: a duration needs a unit: .5s or .5ms"},
		{"lock k --wait never -- true", "--wait never: should be a duration"},
		{"lock k --strategy hope -- true", "--strategy hope: should be one of auto, queue, "},
	}
	for _, tt := range tests {
		got := execute(strings.Fields(tt.args)...)
		if got.code != exitRefused || got.stdout != "" || !strings.HasPrefix(got.stderr, "lockcached: "+tt.want) ||
			strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
	t.Setenv(serverEnv, "a:b")
	if got := execute("ls"); got.code != exitRefused || !strings.HasPrefix(got.stderr, "lockcached: LOCKCACHED_SERVER=a:b: should be host") {
		t.Errorf("%+v", got)
	}
}

func TestServers(t *testing.T) {
	tests := map[string][]string{
		"localhost":                 {"localhost:11211"},
		"localhost:1,localhost:1":   {"localhost:1"},
		"[::1]:2,::1,/run/socket":   {"[::1]:2", "[::1]:11211", "/run/socket"},
		"cache-1,cache-2:11311,a.b": {"cache-1:11211", "cache-2:11311", "a.b:11211"},
	}
	for value, want := range tests {
		r := newRemote()
		if err := takeAll(r.options(), []string{"--server=" + value}); err != nil || !slices.Equal(r.servers, want) {
			t.Errorf("%s: %q, %v", value, r.servers, err)
		}
	}
}

func TestPing(t *testing.T) {
	server, away := start(t, "-p-1"), nowhere(t)
	defer server.stop(testSignal)
	got := execute("ping", "--server", server.addrs[0])
	if fields := strings.Fields(got.stdout); got.code != 0 || len(fields) != 4 ||
		fields[0] != server.addrs[0] || strings.Join(fields[2:], " ") != "lockcached 0.1.0" {
		t.Errorf("%+v", got)
	}
	got = execute("ping", "--server", away+","+server.addrs[0])
	if got.code != exitFailed || !strings.Contains(got.stdout, "lockcached 0.1.0") ||
		got.stderr != "lockcached: "+away+": connect: connection refused\n" {
		t.Errorf("%+v", got)
	}
	got = execute("ping", "--json", "--server", server.addrs[0])
	if got.code != 0 || !strings.Contains(got.stdout, `"version": "1.6.45",`) || !strings.Contains(got.stdout, `"lockcached_version": "0.1.0"`) {
		t.Errorf("%+v", got)
	}
	got = execute("ping", "--json", "--server", away)
	if got.code != exitFailed || !strings.Contains(got.stdout, `"up": 0`) {
		t.Errorf("%+v", got)
	}
}

// TestStrangers: whatever listens there, a command says what is wrong and ends.
func TestStrangers(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"silent", "", "no answer: i/o timeout"},
		{"no-line-end", strings.Repeat("x", 2*maxAnswerLine), errStrange.Error()},
		{"full", "ERROR Too many open connections\r\n", `answers "ERROR Too many open connections"`},
		{"refuses", "CLIENT_ERROR stats held not allowed\r\n", `answers "CLIENT_ERROR stats held not allowed"`},
		{"older", "ERROR\r\n", errNoList.Error()},
	}
	for _, tt := range tests {
		addr := stranger(t, tt.answer)
		got := execute("ls", "--timeout", "100ms", "--server", addr)
		if got.code != exitFailed || got.stderr != "lockcached: "+addr+": "+tt.want+"\n" {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestStatistics(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	addr := server.addrs[0]
	dial(t, addr).add("lock:x", "alice")
	for args, want := range map[string]string{
		"stats locks":              "held             1\n",
		"stats lock lock:x":        "owner              alice\n",
		"stats held":               "lock:x  held=1,owner=alice,token=",
		"stats reset":              "RESET\n",
		"stats detail dump":        "",
		"stats --json lock lock:x": `"owner": "alice",`,
		"stats --json class lock":  `"acquired": 1,`,
		"stats --json -- settings": `"maxbytes": 67108864,`,
	} {
		got := execute(append([]string{"stats", "--server", addr}, strings.Fields(args)[1:]...)...)
		if got.code != 0 || !strings.Contains(got.stdout, want) || got.stderr != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if got := execute("stats", "nothing", "--server", addr); got.code != exitFailed || !strings.Contains(got.stderr, `does not know "stats nothing"`) {
		t.Errorf("%+v", got)
	}
}

func TestTop(t *testing.T) {
	server := start(t, "-p-1")
	defer server.stop(testSignal)
	dial(t, server.addrs[0]).add("lock:x", "alice")
	dial(t, server.addrs[0]).add("lock:x", "bob")
	got := execute("top", "--server", server.addrs[0])
	if got.code != 0 || !strings.HasPrefix(got.stdout, "1 held, 0 queued, 1 polling\n\nKEY ") || !strings.Contains(got.stdout, "\nlock:x  alice ") {
		t.Errorf("%+v", got)
	}
	w := newTop().(*watching)
	w.servers = server.addrs
	w.frame(80, 10)
	dial(t, server.addrs[0]).add("lock:y", "bob")
	screen := new(bytes.Buffer)
	draw(screen, w.frame(40, 10), 40, 3)
	lines := strings.Split(screen.String(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "2 held, 0 queued, 1 polling; a second: ") {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		line = strings.NewReplacer("\x1b[H", "", "\x1b[K", "", "\x1b[J", "").Replace(line)
		if utf8.RuneCountInString(line) > 40 {
			t.Errorf("too wide: %q", line)
		}
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

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"lock:x":            "lock:x",
		"Schloß":            "Schloß",
		"\x1b[2Jgone":       `\x1b[2Jgone`,
		"a\x00b\xffc\uFFFD": `a\x00b\xffc` + "\uFFFD",
		"\u202e":            `\xe2\x80\xae`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestFieldsAsJSON(t *testing.T) {
	got, err := fields{
		{"held", "1"}, {"age_ms", "1.5"}, {"ttl_ms", "-1"}, {"owner", "17"}, {"token", "1795263491651601458"},
		{"time", "999999999999999"}, {"big", "1795263491651601458"}, {"version", "1"}, {"text", `a"b`}, {"odd", "1.2.3"}, {"empty", ""}, {"zeros", "007"},
	}.MarshalJSON()
	want := `{"held":1,"age_ms":1.5,"ttl_ms":-1,"owner":"17","token":"1795263491651601458",` +
		`"time":999999999999999,"big":"1795263491651601458","version":"1","text":"a\"b","odd":"1.2.3","empty":"","zeros":"007"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
