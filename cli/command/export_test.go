package command

import (
	"cmp"
	"context"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/argv"
)

// What the tests of whole command lines need to know.
const (
	MaxAnswerLine = maxAnswerLine
	ServerEnv     = serverEnv
	AccessEnv     = accessEnv
)

var (
	ErrStrange = errStrange
	ErrNoList  = errNoList
	ErrNoLogin = errNoLogin

	AllCommands = allCommands
	Draw        = draw
)

func (c *Command) Name() string { return c.name }

func (c *Command) Flags() []argv.Flag { return spellings(c.task().options()) }

// TopFrames returns a function that draws "lockcached top" of some servers, frame by frame.
func TopFrames(servers []string) func(columns, rows int) string {
	w := newTop().(*topCommand)
	w.servers = servers
	return w.frame
}

// Columns is how wide a list may be.
func Columns(stdout *os.File) int { return (&App{Stdout: stdout}).columns() }

// Dial connects to the first of the servers that flags name, as commands do. Each flag has a value.
func Dial(ctx context.Context, flags []string) (net.Conn, error) {
	r := newRemote()
	var given []argv.Given
	for pair := range slices.Chunk(flags, 2) {
		given = append(given, argv.Given{Name: strings.TrimPrefix(pair[0], "--"), Value: pair[1]})
	}
	if err := cmp.Or(takeAll(r.options(), given), r.finish()); err != nil {
		return nil, err
	}
	return r.dialer().DialContext(ctx, "tcp", r.servers[0])
}
