package journal

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// Stats is what a journal has done since it was opened.
type Stats struct {
	Bytes    uint64      // written
	Failures uint64      // of writing, of fsyncs, and of making files
	Fsyncs   stats.Tally // how long each took
}

// Stats returns what the journal has done since it was opened.
func (j *Journal) Stats() Stats {
	m := &j.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{m.bytes.Load(), m.failures.Load(), m.fsyncs}
}

// meter measures what is done to files.
type meter struct {
	bytes, failures atomic.Uint64

	mu     sync.Mutex // guards what follows
	fsyncs stats.Tally
}

// creating is a Config.Create whose files are measured.
func (m *meter) creating(create func(path string) (File, error)) func(path string) (File, error) {
	return func(path string) (File, error) {
		f, err := create(path)
		m.fails(err)
		if err != nil {
			return nil, err
		}
		return &meteredFile{f, m}, nil
	}
}

func (m *meter) fails(err error) {
	if err != nil {
		m.failures.Add(1)
	}
}

type meteredFile struct {
	File
	meter *meter
}

func (f *meteredFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.meter.bytes.Add(uint64(n))
	f.meter.fails(err)
	return n, err
}

func (f *meteredFile) Truncate(size int64) error {
	file, ok := f.File.(truncater)
	if !ok {
		return errors.ErrUnsupported
	}
	return file.Truncate(size)
}

func (f *meteredFile) Sync() error {
	began := time.Now()
	err := f.File.Sync()
	f.meter.mu.Lock()
	f.meter.fsyncs.Add(time.Since(began))
	f.meter.mu.Unlock()
	f.meter.fails(err)
	return err
}
