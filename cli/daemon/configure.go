package daemon

import (
	"fmt"
	"io"
	"strconv"

	"github.com/rs/zerolog"
	urfave "github.com/urfave/cli/v2"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
	wire "github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/server"
)

// Configure reads flags and environment variables as the server does, and returns what they
// configure. args do not include the program's name. It opens no socket and no journal, but it
// reads the files of -Y and --tls-cert. With -A it sets the Shutdown of the server's Config to a
// function that does nothing. It leaves Locks and Logger to the caller. An error is one line that
// says which flag is wrong and what would be right.
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
	err = readNormalised(named, io.Discard, io.Discard, "", func(ctx *urfave.Context) (err error) {
		c, err = configure(ctx, named, rest, nil)
		return err
	})
	return c, err
}

// configure makes the configuration of flags, variables and the file of --config.
func configure(ctx *urfave.Context, named, rest []string, warnings func() []string) (*config, error) {
	s, err := collect(ctx, named)
	if err != nil {
		return nil, err
	}
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	c.ignored = append(c.ignored, rest...)
	if warnings != nil {
		c.warnings = append(c.warnings, warnings()...)
	}
	return c, c.finish()
}

// apply puts one value of one flag into the configuration.
func (c *config) apply(f *flag, g given) error {
	if f.isSwitch() {
		if isOn, err := strconv.ParseBool(g.value); err != nil {
			return exit.Refuse(g.where, "should be true or false")
		} else if !isOn {
			return nil
		}
	}
	if err := f.set(c, g.value); err != nil {
		return exit.Refuse(g.where, err.Error())
	}
	if f.ignored {
		c.ignored = append(c.ignored, g.where)
	}
	return nil
}

// finish checks and fills in what depends on more than one flag.
func (c *config) finish() error {
	c.locks.MemoryLimit = int64(c.megabytes) * mebibyte
	if int64(c.locks.ItemSizeMax) > c.locks.MemoryLimit/2 {
		return exit.Refuse(
			fmt.Sprintf("-I %d with -m %d", c.locks.ItemSizeMax, c.megabytes),
			"cannot set item size limit higher than 1/2 of memory max; lower -I or raise -m",
		)
	}
	c.finishListen()
	if err := c.finishTLS(); err != nil {
		return err
	}
	if err := c.finishAuth(); err != nil {
		return err
	}
	if err := c.finishAdmin(); err != nil {
		return err
	}
	if err := c.finishJournal(); err != nil {
		return err
	}
	if err := c.finishCluster(); err != nil {
		return err
	}
	if c.watch && c.configFile == "" {
		return exit.Refuse("--config-watch", "needs --config, the file to watch, such as --config /etc/lockcached/lockcached.toml")
	}
	if c.threads > manyThreads {
		c.warn("-t %d: more threads than processors make nothing faster", c.threads)
	}
	s := &c.server.Settings
	s.TCPPort = c.port
	s.Inter = joinEndpoints(c.listen)
	s.DomainSocket = c.socket
	s.Umask = int(c.socketMode)
	s.Threads = c.threads
	return nil
}

// finishAuth decides which protocols clients may speak: with -S only the binary one, as in
// memcached. With -Y alone both, because clients can log in with either.
func (c *config) finishAuth() error {
	c.server.Settings.AuthFile = c.authFile
	protocol := c.protocol
	if c.sasl {
		switch {
		case c.authFile == "":
			return exit.Refuse("-S", "needs -Y, the file with users and passwords, such as -Y /etc/lockcached/passwords")
		case protocol == "auto" || protocol == "ascii":
			return exit.Refuse("-S with -B "+protocol, "SASL is for the binary protocol only; leave -S out to let clients log in with both")
		}
		protocol = "binary"
	}
	c.setDialects(protocol)
	return nil
}

func (c *config) setDialects(protocol string) {
	s := &c.server
	switch protocol {
	case "ascii":
		s.Dialects, s.Settings.Protocol = wire.TextOnly, protocolText
	case "binary":
		s.Dialects, s.Settings.Protocol = wire.BinaryOnly, protocolBinary
	default:
		s.Dialects, s.Settings.Protocol = wire.TextAndBinary, protocolAuto
	}
}

// finishJournal refuses the flags that say how to write the journal, unless --data says where.
func (c *config) finishJournal() error {
	where := ""
	switch j := &c.journal; {
	case j.Dir != "":
	case j.Fsync != journal.Interval:
		where = "--fsync"
	case j.Interval != defaultFsyncInterval:
		where = "--fsync-interval"
	}
	if where == "" {
		return nil
	}
	return exit.Refuse(where, "needs --data, the directory to keep locks in, such as --data /var/lib/lockcached")
}

// finishListen decides between -p, -l, -U and -s as memcached does.
func (c *config) finishListen() {
	if c.udpPort != 0 && !c.portGiven {
		c.port = c.udpPort
	}
	switch {
	case c.socket != "":
		if len(c.listen) > 0 || c.portGiven && c.port != 0 {
			c.warn("-s turns TCP off: -l and -p do nothing beside it")
		}
		c.listen = nil
	case c.port == 0:
		c.warn("-p 0 without -s: no client can reach this server")
		c.listen = nil
	case len(c.listen) == 0:
		c.listen = []endpoint{{text: argv.DefaultHost, host: argv.DefaultHost}}
	}
	for i := range c.listen {
		if e := &c.listen[i]; !e.ownPort {
			e.port = max(c.port, 0)
		}
	}
}
