package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// An answer is what a server replied to a request, or why it did not.
type answer struct {
	server string
	name   string   // what it is called in messages
	lines  []string // without the one that ends a list
	took   time.Duration
	err    error
}

// askAll sends a request to all servers at once; the answers are in the order of the servers.
func (r *remote) askAll(line string) []answer {
	answers := make([]answer, len(r.servers))
	var wg sync.WaitGroup
	for i, server := range r.servers {
		wg.Go(func() { answers[i] = r.ask(server, line) })
	}
	wg.Wait()
	return answers
}

// ask sends a request of one line to a server.
func (r *remote) ask(server, line string) answer {
	began := time.Now()
	lines, err := r.converse(server, line)
	return answer{server: server, name: r.called(server), lines: lines, took: time.Since(began), err: err}
}

// A wireError is an error line of a server.
type wireError struct{ line string }

func (e wireError) Error() string { return fmt.Sprintf("answers %q", e.line) }

// errUnknown is a server's error line for an unknown command.
var errUnknown error = wireError{"ERROR"}

// errStrange is the error for a server that speaks another protocol.
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

// maxAnswerLine is larger than the longest line of any list, in bytes.
const maxAnswerLine = 16 << 10

// goesOn reports whether more lines follow a line. It returns an error for an error line.
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
