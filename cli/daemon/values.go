package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/cli/internal/argv"
	"github.com/lockcached/lockcached/journal"
	"github.com/lockcached/lockcached/locks"
)

// Where the values of plain flags go.
func backlog(c *config) *int                   { return &c.server.Settings.Backlog }
func megabytes(c *config) *int                 { return &c.megabytes }
func maxConns(c *config) *int                  { return &c.server.MaxConns }
func retryRate(c *config) *float64             { return &c.locks.RetryRate }
func totalRetryRate(c *config) *float64        { return &c.locks.TotalRetryRate }
func retryByRank(c *config) *bool              { return &c.locks.RetryByRank }
func retryMax(c *config) *time.Duration        { return &c.locks.RetryMax }
func maxWaiters(c *config) *int                { return &c.locks.MaxWaiters }
func maxWaitersTotal(c *config) *int           { return &c.locks.MaxWaitersTotal }
func statsKeys(c *config) *int                 { return &c.locks.StatsKeys }
func statsClasses(c *config) *int              { return &c.locks.StatsClasses }
func metricsClasses(c *config) *int            { return &c.metricsClasses }
func threads(c *config) *int                   { return &c.threads }
func reqsPerEvent(c *config) *int              { return &c.server.Settings.ReqsPerEvent }
func chunkSize(c *config) *int                 { return &c.server.Settings.ChunkSize }
func noEvict(c *config) *bool                  { return &c.locks.NoEvict }
func noDump(c *config) *bool                   { return &c.server.NoDump }
func noBatchCalls(c *config) *bool             { return &c.server.NoBatchCalls }
func noFlush(c *config) *bool                  { return &c.server.NoFlush }
func casDisabled(c *config) *bool              { return &c.server.Settings.CASDisabled }
func daemonOf(c *config) *bool                 { return &c.daemon }
func shutdownCommand(c *config) *bool          { return &c.shutdownCommand }
func pprof(c *config) *bool                    { return &c.pprof }
func keepAlive(c *config) *time.Duration       { return &c.server.KeepAlive }
func userTimeout(c *config) *time.Duration     { return &c.server.UserTimeout }
func sendTimeout(c *config) *time.Duration     { return &c.server.SendTimeout }
func requestTimeout(c *config) *time.Duration  { return &c.server.RequestTimeout }
func maxWait(c *config) *time.Duration         { return &c.locks.MaxWait }
func drain(c *config) *time.Duration           { return &c.drain }
func settle(c *config) *time.Duration          { return &c.locks.Settle }
func fsyncInterval(c *config) *time.Duration   { return &c.journal.Interval }
func dataDir(c *config) *string                { return &c.journal.Dir }
func userName(c *config) *string               { return &c.user }
func pidFile(c *config) *string                { return &c.pidFile }
func logFormat(c *config) *string              { return &c.logFormat }
func logLevel(c *config) *string               { return &c.logLevel }
func authFile(c *config) *string               { return &c.authFile }
func clusterLogin(c *config) *string           { return &c.cluster.login }
func clusterCert(c *config) *string            { return &c.cluster.cert }
func clusterKey(c *config) *string             { return &c.cluster.key }
func clusterCA(c *config) *string              { return &c.cluster.ca }
func clusterPatience(c *config) *time.Duration { return &c.cluster.patience }
func clusterSuspect(c *config) *time.Duration  { return &c.cluster.suspect }
func clusterTick(c *config) *time.Duration     { return &c.cluster.tick }
func sasl(c *config) *bool                     { return &c.sasl }
func adminAuth(c *config) *string              { return &c.admin.passwords }
func adminTLS(c *config) *bool                 { return &c.admin.tls }
func adminWrite(c *config) *bool               { return &c.admin.write }
func configFile(c *config) *string             { return &c.configFile }
func configWatch(c *config) *bool              { return &c.watch }

func waitPolicies(c *config) *[]locks.WaitPolicy   { return &c.locks.WaitPolicies }
func lockDelays(c *config) *[]locks.LockDelay      { return &c.locks.LockDelays }
func guardRelease(c *config) *[]locks.Pattern      { return &c.locks.GuardRelease }
func holdPolicies(c *config) *[]locks.FillPolicy   { return &c.locks.HoldPolicies }
func stalePolicies(c *config) *[]locks.FillPolicy  { return &c.locks.StalePolicies }
func earlyPolicies(c *config) *[]locks.EarlyPolicy { return &c.locks.EarlyPolicies }

// A setter puts a value into the configuration.
type setter = func(c *config, value string) error

func accept(*config, string) error { return nil }

func on(field func(*config) *bool) setter {
	return func(c *config, _ string) error {
		*field(c) = true
		return nil
	}
}

// number takes whole numbers from least to math.MaxInt32. right is the error for a smaller number,
// and for text that is not a number.
func number(field func(*config) *int, least int, right string) setter {
	return func(c *config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least {
			return errors.New(right)
		}
		if n > math.MaxInt32 {
			return fmt.Errorf("at most %d", math.MaxInt32)
		}
		*field(c) = n
		return nil
	}
}

// rate takes a number of events per second, from 0.001 to 1e9.
func rate(field func(*config) *float64) setter {
	return func(c *config, value string) error {
		r, err := strconv.ParseFloat(value, 64)
		if err != nil || !(r >= 0.001 && r <= 1e9) {
			return errors.New("should be tries a second, from 0.001 to 1e9")
		}
		*field(c) = r
		return nil
	}
}

func text(field func(*config) *string, what string) setter {
	return func(c *config, value string) error {
		if value == "" {
			return errors.New("needs " + what)
		}
		*field(c) = value
		return nil
	}
}

func oneOf(field func(*config) *string, choices ...string) setter {
	return func(c *config, value string) error {
		if !slices.Contains(choices, value) {
			return errors.New("should be one of " + strings.Join(choices, ", "))
		}
		*field(c) = value
		return nil
	}
}

func duration(field func(*config) *time.Duration) setter {
	return func(c *config, value string) error {
		d, err := argv.Duration(value)
		if err != nil {
			return err
		}
		*field(c) = d
		return nil
	}
}

// interval is duration without 0, for values in which 0 would mean the default.
func interval(field func(*config) *time.Duration) setter {
	return func(c *config, value string) error {
		d, err := argv.PositiveDuration(value)
		if err != nil {
			return err
		}
		*field(c) = d
		return nil
	}
}

func setPort(c *config, value string) error {
	port, err := parsePort(value)
	if err != nil {
		return err
	}
	c.port, c.portGiven = port, true
	return nil
}

// setUDPPort keeps the port because in memcached -U without -p sets the TCP port, too.
func setUDPPort(c *config, value string) error {
	port, err := parsePort(value)
	if err != nil {
		return err
	}
	c.udpPort = port
	if port != 0 {
		c.ignored = append(c.ignored, "-U "+value)
	}
	return nil
}

func parsePort(value string) (int, error) {
	port, err := strconv.Atoi(value)
	if err != nil || port < -1 || port > maxPort {
		return 0, fmt.Errorf("a port is a number from 1 to %d, 0 for none or -1 for any", maxPort)
	}
	return port, nil
}

func setSocketMode(c *config, value string) error {
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mode > 0o777 {
		return errors.New("an access mode is an octal number from 0 to 777")
	}
	c.socketMode = fs.FileMode(mode)
	return nil
}

func setSocket(c *config, value string) error {
	// The kernel's limit, less the final NUL; bind would only say "invalid argument".
	const maxSocketPath = 107
	if value == "" || len(value) > maxSocketPath {
		return fmt.Errorf("the path of a Unix socket has 1 to %d bytes", maxSocketPath)
	}
	c.socket = value
	return nil
}

// setItemSize reads a number of bytes, or of kilobytes, megabytes or gigabytes with suffix k, m or
// g, in either case.
func setItemSize(c *config, value string) error {
	digits, unit := value, 1
	switch {
	case strings.HasSuffix(value, "k"), strings.HasSuffix(value, "K"):
		digits, unit = value[:len(value)-1], 1<<10
	case strings.HasSuffix(value, "m"), strings.HasSuffix(value, "M"):
		digits, unit = value[:len(value)-1], 1<<20
	case strings.HasSuffix(value, "g"), strings.HasSuffix(value, "G"):
		digits, unit = value[:len(value)-1], 1<<30
	}
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil:
		return errors.New("item max size is a number of bytes, with suffix k or m for more, such as 512k")
	case n < minItemSize/unit || n*unit < minItemSize:
		return fmt.Errorf("item max size cannot be less than %d bytes", minItemSize)
	case n > maxItemSize/unit:
		return errors.New("cannot set item size limit higher than a gigabyte")
	}
	c.locks.ItemSizeMax = n * unit
	return nil
}

// setDelimiter takes the first byte, as memcached does.
func setDelimiter(c *config, value string) error {
	if value == "" {
		return errors.New("no delimiter specified; it is one character, such as -D /")
	}
	c.locks.ClassDelimiter = value[0]
	c.server.Settings.StatKeyPrefix = value[0]
	c.server.Settings.DetailEnabled = true
	return nil
}

// What "stats settings" calls the protocols.
const (
	protocolAuto   = "auto-negotiate"
	protocolText   = "ascii"
	protocolBinary = "binary"
)

func setProtocol(c *config, value string) error {
	switch value {
	case "auto", "ascii", "binary":
		c.protocol = value
		return nil
	}
	return errors.New("should be one of auto, binary, or ascii")
}

func setGrowthFactor(c *config, value string) error {
	factor, err := strconv.ParseFloat(value, 64)
	if err != nil || !(factor > 1) || math.IsInf(factor, 0) {
		return errors.New("factor must be greater than 1")
	}
	c.server.Settings.GrowthFactor = factor
	return nil
}

func setVerbosity(c *config, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > argv.MaxVerbosity {
		return fmt.Errorf("verbosity is a number from 0 to %d", argv.MaxVerbosity)
	}
	c.server.Settings.Verbosity = n
	return nil
}

func setLockKeys(c *config, value string) error {
	pattern, err := argv.Pattern(value)
	if err != nil {
		return err
	}
	c.locks.LockKeys = append(c.locks.LockKeys, pattern)
	return nil
}

func setWait(c *config, value string) error {
	pattern, wait, err := parsePolicy(value)
	if err != nil {
		return err
	}
	c.locks.WaitPolicies = append(c.locks.WaitPolicies, locks.WaitPolicy{Pattern: pattern, Wait: wait})
	return nil
}

func setLockDelay(c *config, value string) error {
	pattern, delay, err := parsePolicy(value)
	if err != nil {
		return err
	}
	c.locks.LockDelays = append(c.locks.LockDelays, locks.LockDelay{Pattern: pattern, Delay: delay})
	return nil
}

// fillPolicy takes PATTERN=DURATION.
func fillPolicy(field func(*config) *[]locks.FillPolicy) setter {
	return func(c *config, value string) error {
		pattern, d, err := parsePolicy(value)
		if err == nil {
			*field(c) = append(*field(c), locks.FillPolicy{Pattern: pattern, For: d})
		}
		return err
	}
}

// mostBeta is more than anybody needs: a value that is computed a hundred times as early as usual.
const mostBeta = 100

// setEarly reads PATTERN=BETA.
func setEarly(c *config, value string) error {
	i := strings.LastIndexByte(value, '=')
	if i < 0 {
		return errors.New("should be pattern=beta, such as page:*=1")
	}
	pattern, err := argv.Pattern(value[:i])
	if err != nil {
		return err
	}
	beta, err := strconv.ParseFloat(value[i+1:], 64)
	if err != nil || !(beta >= 0 && beta <= mostBeta) {
		return fmt.Errorf("beta should be a number from 0 to %d; 1 is usual, more is earlier", mostBeta)
	}
	c.locks.EarlyPolicies = append(c.locks.EarlyPolicies, locks.EarlyPolicy{Pattern: pattern, Beta: beta})
	return nil
}

func setGuardRelease(c *config, value string) error {
	pattern, err := argv.Pattern(value)
	if err != nil {
		return err
	}
	c.locks.GuardRelease = append(c.locks.GuardRelease, pattern)
	return nil
}

// parsePolicy reads PATTERN=DURATION. The last = separates them, since keys may contain others.
func parsePolicy(value string) (pattern locks.Pattern, d time.Duration, err error) {
	i := strings.LastIndexByte(value, '=')
	if i < 0 {
		return pattern, 0, errors.New("should be pattern=duration, such as lock:*=200ms")
	}
	if pattern, err = argv.Pattern(value[:i]); err != nil {
		return pattern, 0, err
	}
	d, err = argv.Duration(value[i+1:])
	return pattern, d, err
}

// fsyncModes are the values of --fsync.
var fsyncModes = map[string]journal.Mode{
	"always":   journal.Always,
	"interval": journal.Interval,
	"never":    journal.Never,
}

func setFsync(c *config, value string) error {
	mode, ok := fsyncModes[value]
	if !ok {
		return errors.New("should be one of always, interval, never")
	}
	c.journal.Fsync = mode
	return nil
}
