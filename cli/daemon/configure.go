package daemon

import (
	"io"

	"github.com/rs/zerolog"
	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// Configure reads flags and environment variables as the server does, and returns what they
// configure. args lack the program's name. It opens no socket and no journal, but it reads the
// files of -Y and --tls-cert. With -A the Shutdown of the server's Config is set, and does nothing.
// Locks and Logger are left to the caller. An error is one line that says which flag is wrong and
// what would be right.
func Configure(args []string) (server.Config, locks.Config, error) {
	c, err := readConfig(args)
	if err != nil {
		return server.Config{}, locks.Config{}, err
	}
	s := &service{config: c, log: zerolog.Nop()}
	if err := s.loadSecrets(); err != nil {
		return server.Config{}, locks.Config{}, err
	}
	if c.shutdownCommand {
		c.server.Shutdown = func(bool) {}
	}
	return c.server, c.locks, nil
}

// readConfig reads a command line that serves.
func readConfig(args []string) (*config, error) {
	named, rest, err := normalise(args)
	if err != nil {
		return nil, err
	}
	var c *config
	p := Process{Stdout: io.Discard, Stderr: io.Discard}
	err = p.read(named, func(ctx *urfave.Context) (err error) {
		c, err = configure(ctx, named, rest, nil)
		return err
	})
	return c, err
}
