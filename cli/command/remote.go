package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/protocol"
)

// serverEnv names the servers for those who give no --server.
const serverEnv = "LOCKCACHED_SERVER"

// defaultTimeout bounds one request of a command. It leaves a server the time to
// look through a million locks.
const defaultTimeout = 3 * time.Second

// A remote is the servers that a command is about.
type remote struct {
	access
	servers []string // host:port, or the path of a Unix socket
	timeout time.Duration
	json    bool
}

func newRemote() remote { return remote{timeout: defaultTimeout} }

// options are the flags that all commands have that talk to servers.
func (r *remote) options() []option {
	return append(r.serverOptions(), option{
		long: "timeout", arg: "duration", usage: "how long a server may take to answer (default: " + defaultTimeout.String() + ")",
		take: positive(&r.timeout),
	}, option{
		long: "json", usage: "print one JSON document, with the protocol's names",
		take: turnOn(&r.json),
	})
}

// serverOptions are the flags that say where the servers are, and how to come in.
func (r *remote) serverOptions() []option {
	return append([]option{{
		long: "server", arg: "addr", many: true,
		usage:    "host, host:port or path of a Unix socket (default: $" + serverEnv + ")",
		variable: serverEnv,
		take:     r.addServer,
	}}, r.access.options()...)
}

// positive takes a duration greater than 0.
func positive(to *time.Duration) func(value string) error {
	return func(value string) (err error) {
		*to, err = argv.PositiveDuration(value)
		return err
	}
}

// addServer takes one address. Naming a server twice must not count it twice.
func (r *remote) addServer(text string) error {
	addr := text
	if !strings.Contains(text, "/") {
		a, err := argv.ParseAddress(text)
		if err != nil || a.Host == "*" {
			return errors.New("should be host, host:port, [IPv6]:port or the path of a Unix socket, such as localhost:11211")
		}
		if !a.HasPort {
			a.Port = argv.DefaultPort
		}
		addr = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	if !slices.Contains(r.servers, addr) {
		r.servers = append(r.servers, addr)
	}
	return nil
}

// finish fills in the server that neither a flag nor a variable named, and checks what
// depends on more than one flag.
func (r *remote) finish() error {
	if len(r.servers) == 0 {
		r.servers = []string{net.JoinHostPort(argv.DefaultHost, strconv.Itoa(argv.DefaultPort))}
	}
	return r.access.finish(r.servers)
}

// dialer makes connections to the servers.
func (r *remote) dialer() *client.Dialer {
	return &client.Dialer{Timeout: r.timeout, TLS: r.tls, User: r.user, Password: r.password}
}

// network is how a server is dialled.
func network(server string) string {
	if strings.Contains(server, "/") {
		return "unix"
	}
	return "tcp"
}

// An answer is what a server said to a command, or why that was nothing.
type answer struct {
	server string
	lines  []string // without the one that ends a list
	took   time.Duration
	err    error
}

// askAll sends a command to all servers at once; the answers are in their order.
func (r *remote) askAll(line string) []answer {
	answers := make([]answer, len(r.servers))
	var wg sync.WaitGroup
	for i, server := range r.servers {
		wg.Go(func() { answers[i] = r.ask(server, line) })
	}
	wg.Wait()
	return answers
}

// ask sends a command of one line to a server.
func (r *remote) ask(server, line string) answer {
	began := time.Now()
	lines, err := r.converse(server, line)
	return answer{server, lines, time.Since(began), err}
}

// A wireError is an error line of a server.
type wireError struct{ line string }

func (e wireError) Error() string { return fmt.Sprintf("answers %q", e.line) }

// errUnknown is the error line for what a server has never heard of.
var errUnknown error = wireError{"ERROR"}

// errStrange is for what speaks another protocol.
var errStrange = errors.New("answers with more than a memcached says in one line: is it one?")

func (r *remote) converse(server, line string) (lines []string, err error) {
	conn, err := r.dialer().DialContext(context.Background(), network(server), server)
	if err != nil {
		return nil, r.cause(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(r.timeout)) // what fails here fails below, too
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		return nil, r.cause(err)
	}
	for in := bufio.NewReaderSize(conn, maxAnswerLine); ; {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, errStrange
		case err != nil:
			return nil, r.cause(err)
		}
		word := strings.TrimRight(string(text), "\r\n")
		more, err := goesOn(word)
		if err != nil || !more && word == "END" {
			return lines, err
		}
		if lines = append(lines, word); !more {
			return lines, nil
		}
	}
}

// maxAnswerLine is more than the longest line of any list.
const maxAnswerLine = 16 << 10

// goesOn tells of a line whether more follow, or that it is an error.
func goesOn(line string) (bool, error) {
	word, _ := protocol.NextWord([]byte(line))
	switch string(word) {
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		if line == protocol.ErrNoLogin.Line {
			return false, errNoLogin
		}
		return false, wireError{line}
	case "STAT", "PREFIX", "ITEM", "VALUE":
		return true, nil
	}
	return false, nil
}
