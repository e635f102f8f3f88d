package etcd

import (
	"io"
	"os"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc/grpclog"
)

// What grpc finds worth an error is what happens when a machine is away. etcd reports what
// matters of that; without this, grpc writes to stderr by itself.
func init() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }

// levels are ours for etcd's. Much of what etcd warns of is ordinary when a machine is away
// or busy, so that is for those who debug.
var levels = map[zapcore.Level]zerolog.Level{
	zapcore.DebugLevel:  zerolog.TraceLevel,
	zapcore.InfoLevel:   zerolog.DebugLevel,
	zapcore.WarnLevel:   zerolog.DebugLevel,
	zapcore.ErrorLevel:  zerolog.WarnLevel,
	zapcore.DPanicLevel: zerolog.ErrorLevel,
	zapcore.PanicLevel:  zerolog.ErrorLevel,
	zapcore.FatalLevel:  zerolog.ErrorLevel, // and the process ends
}

// newZap returns a logger for etcd that writes to ours. When etcd cannot go on, as when the
// disk is full, it calls fatal and expects the process to end.
func newZap(log zerolog.Logger, fatal func()) *zap.Logger {
	return zap.New(&core{log: log.With().Str("part", "etcd").Logger()}, zap.WithFatalHook(ending{fatal}))
}

// core writes what etcd logs to a zerolog.Logger.
type core struct {
	log    zerolog.Logger
	fields []zapcore.Field
}

func (c *core) Enabled(level zapcore.Level) bool {
	ours := levels[level]
	if ours == zerolog.DebugLevel && !c.log.Debug().Enabled() {
		return false // a level that can change is no part of the Logger
	}
	return ours >= c.log.GetLevel() && ours >= zerolog.GlobalLevel()
}

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c *core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c *core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, list := range [][]zapcore.Field{c.fields, fields} {
		for _, f := range list {
			f.AddTo(values)
		}
	}
	c.log.WithLevel(levels[entry.Level]).Fields(values.Fields).Msg(entry.Message)
	return nil
}

func (c *core) Sync() error { return nil }

// ending is what zap calls after it has logged that the process has to end.
type ending struct{ fatal func() }

func (e ending) OnWrite(*zapcore.CheckedEntry, []zapcore.Field) {
	if e.fatal != nil {
		e.fatal()
	}
	os.Exit(1)
}
