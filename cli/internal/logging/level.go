package logging

import (
	"io"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A Level is the least level that is logged, which can change while a Logger and its copies are in
// use. Its zero value logs from debug on.
type Level struct{ least atomic.Int32 }

// NewLevel returns a Level.
func NewLevel(level zerolog.Level) *Level {
	l := new(Level)
	l.Set(level)
	return l
}

// Set changes the level.
func (l *Level) Set(level zerolog.Level) { l.least.Store(int32(level)) }

// Sample is for zerolog: an event that is not logged costs no more than this.
func (l *Level) Sample(level zerolog.Level) bool { return level >= zerolog.Level(l.least.Load()) }

// leveled is a writer of lines for Loggers whose sampler is not the Level any more, as those that
// bound how many lines they write.
type leveled struct {
	io.Writer
	level    *Level
	warnings *warnings // nil if they are not kept
}

// WriteLevel is for zerolog.
func (w leveled) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if !w.level.Sample(level) {
		return len(line), nil
	}
	if w.warnings != nil && level >= zerolog.WarnLevel {
		w.warnings.add(line)
	}
	return w.Write(line)
}
