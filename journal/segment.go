package journal

import (
	"bytes"
	"errors"
	"os"
	"sync"

	leveldb "github.com/syndtr/goleveldb/leveldb/journal"
)

// File is what the journal needs of a segment's file.
type File interface {
	Write(b []byte) (int, error)
	Sync() error
	Close() error
}

// truncater is a File that can be cut, as an *os.File can.
type truncater interface{ Truncate(size int64) error }

// createFile is the usual Config.Create.
func createFile(path string) (File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
}

// segment is the file that is being written. Journal.writing guards it, except in sync.
type segment struct {
	preface
	file     File
	framer   *leveldb.Writer // into framed
	framed   bytes.Buffer
	head     [headSize]byte
	size     int64
	synced   int64 // up to where it is known to be on the disk
	kept     int64 // up to where it is committed
	complete bool

	syncing sync.Mutex
	broken  error // the error of the fsync that failed: the next one would not report what the kernel forgot
	closed  bool
}

// keptBuffer is the largest buffer that is kept for the next batch, in bytes.
const keptBuffer = 1 << 20

// begin writes the preface into a new file.
func begin(file File, p preface) (*segment, error) {
	s := &segment{preface: p, file: file}
	s.framer = leveldb.NewWriter(&s.framed)
	return s, s.write(p.encode(), nil)
}

// append writes a batch with the encoded entries, possibly none.
func (s *segment) append(entries []byte, complete bool, at Moment) error {
	h := head{complete: complete, offset: s.size, synced: s.synced, at: at}
	return s.write(h.appendTo(s.head[:0]), entries)
}

// write writes one record in two parts, with one call of the file's Write.
func (s *segment) write(first, rest []byte) error {
	// The framer writes into memory only, so its errors are ignored.
	w, _ := s.framer.Next()
	_, _ = w.Write(first)
	_, _ = w.Write(rest)
	_ = s.framer.Flush()
	n, err := s.file.Write(s.framed.Bytes())
	s.size += int64(n)
	s.framed.Reset()
	if s.framed.Cap() > keptBuffer {
		s.framed = bytes.Buffer{}
	}
	return err
}

// worthless reports whether nothing in the segment counts: something is missing before
// it, and no checkpoint has made up for that.
func (s *segment) worthless() bool { return s.gap && !s.complete }

// sync forces the file to the disk. After it has failed once, it always fails.
func (s *segment) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.broken == nil && !s.closed {
		s.broken = s.file.Sync()
	}
	return s.broken
}

// cut takes off what is not committed. If lasting is set, it forces that to the disk, so
// that it survives a power cut. The segment has failed: nothing is written to it any
// more.
func (s *segment) cut(lasting bool) error {
	if s.size == s.kept {
		return nil
	}
	file, ok := s.file.(truncater)
	if !ok {
		return errors.ErrUnsupported
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.closed {
		return nil
	}
	if err := file.Truncate(s.kept); err != nil {
		return err
	}
	s.size, s.synced = s.kept, min(s.synced, s.kept)
	if lasting {
		return s.file.Sync()
	}
	return nil
}

// close closes the file; a later sync does nothing.
func (s *segment) close() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.closed = true
	return s.file.Close()
}
