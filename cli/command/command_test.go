package command_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lockcached/lockcached/cli/command"
	"github.com/lockcached/lockcached/cli/internal/clitest"
	"github.com/lockcached/lockcached/cli/internal/exit"
)

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
	server := clitest.Output(t, "-h")
	for _, c := range command.AllCommands() {
		help := clitest.Output(t, c.Name(), "-h")
		if help != clitest.Output(t, "help", c.Name()) {
			t.Errorf("help %s and %s -h differ", c.Name(), c.Name())
		}
		if !strings.Contains(server, "lockcached "+c.Name()+" ") || !strings.HasPrefix(help, "lockcached "+c.Name()) {
			t.Errorf("%s: not in the server's help, or %q", c.Name(), help)
		}
		for line := range strings.Lines(help) {
			if utf8.RuneCountInString(line) > 110 {
				t.Errorf("too wide: %s", line)
			}
		}
		for _, o := range c.Flags() {
			if !strings.Contains(help, "--"+o.Long) {
				t.Errorf("the help of %s lacks --%s", c.Name(), o.Long)
			}
		}
	}
	if clitest.Output(t, "help") != server {
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
		{"ls --server http://a", "--server http://a: should be host, host:port"},
		{"ls --server :11211", "--server :11211: should be host, host:port"},
		{"ls --server localhost,,", "--server: should be host, host:port"},
		{"ls --timeout soon", "--timeout soon: should be a duration"},
		{"ls --timeout 0", "--timeout 0: should be longer than 0"},
		{"ls lock:* job:*", "job:*: is one word too many: lockcached ls takes one pattern"},
		{"ls [a", "pattern [a: \"[a\" is no glob"},
		{"ls --sort color", "--sort color: should be one of age, key, node, owner, "},
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
		got := clitest.Execute(strings.Fields(tt.args)...)
		if got.Code != exit.Refused || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "lockcached: "+tt.want) ||
			strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
	t.Setenv(command.ServerEnv, "a:b")
	if got := clitest.Execute("ls"); got.Code != exit.Refused || !strings.HasPrefix(got.Stderr, "lockcached: LOCKCACHED_SERVER=a:b: should be host") {
		t.Errorf("%+v", got)
	}
}

func TestPing(t *testing.T) {
	server, away := clitest.Start(t, "-p-1"), clitest.Nowhere(t)
	defer server.Stop(testSignal)
	got := clitest.Execute("ping", "--server", server.Addrs[0])
	if fields := strings.Fields(got.Stdout); got.Code != 0 || len(fields) != 4 ||
		fields[0] != server.Addrs[0] || strings.Join(fields[2:], " ") != "lockcached 0.1.0" {
		t.Errorf("%+v", got)
	}
	got = clitest.Execute("ping", "--server", away+","+server.Addrs[0])
	if got.Code != exit.Failed || !strings.Contains(got.Stdout, "lockcached 0.1.0") ||
		got.Stderr != "lockcached: "+away+": connect: connection refused\n" {
		t.Errorf("%+v", got)
	}
	got = clitest.Execute("ping", "--json", "--server", server.Addrs[0])
	if got.Code != 0 || !strings.Contains(got.Stdout, `"version": "1.6.45",`) || !strings.Contains(got.Stdout, `"lockcached_version": "0.1.0"`) {
		t.Errorf("%+v", got)
	}
	got = clitest.Execute("ping", "--json", "--server", away)
	if got.Code != exit.Failed || !strings.Contains(got.Stdout, `"up": 0`) {
		t.Errorf("%+v", got)
	}
}

// TestStrangers: whatever listens there, a command says what is wrong and ends.
func TestStrangers(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{"silent", "", "no answer: i/o timeout"},
		{"no-line-end", strings.Repeat("x", 2*command.MaxAnswerLine), command.ErrStrange.Error()},
		{"full", "ERROR Too many open connections\r\n", `answers "ERROR Too many open connections"`},
		{"refuses", "CLIENT_ERROR stats held not allowed\r\n", `answers "CLIENT_ERROR stats held not allowed"`},
		{"older", "ERROR\r\n", command.ErrNoList.Error()},
	}
	for _, tt := range tests {
		addr := stranger(t, tt.answer)
		got := clitest.Execute("ls", "--timeout", "100ms", "--server", addr)
		if got.Code != exit.Failed || got.Stderr != "lockcached: "+addr+": "+tt.want+"\n" {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestStatistics(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	addr := server.Addrs[0]
	clitest.Dial(t, addr).Add("lock:x", "alice")
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
		got := clitest.Execute(append([]string{"stats", "--server", addr}, strings.Fields(args)[1:]...)...)
		if got.Code != 0 || !strings.Contains(got.Stdout, want) || got.Stderr != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if got := clitest.Execute("stats", "nothing", "--server", addr); got.Code != exit.Failed || !strings.Contains(got.Stderr, `does not know "stats nothing"`) {
		t.Errorf("%+v", got)
	}
}

func TestTop(t *testing.T) {
	server := clitest.Start(t, "-p-1")
	defer server.Stop(testSignal)
	clitest.Dial(t, server.Addrs[0]).Add("lock:x", "alice")
	clitest.Dial(t, server.Addrs[0]).Add("lock:x", "bob")
	got := clitest.Execute("top", "--server", server.Addrs[0])
	if got.Code != 0 || !strings.HasPrefix(got.Stdout, "1 held, 0 queued, 1 polling\n\nKEY ") || !strings.Contains(got.Stdout, "\nlock:x  alice ") {
		t.Errorf("%+v", got)
	}
	frame := command.TopFrames(server.Addrs)
	frame(80, 10)
	clitest.Dial(t, server.Addrs[0]).Add("lock:y", "bob")
	screen := new(bytes.Buffer)
	command.Draw(screen, frame(40, 10), 40, 3)
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
