package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"

	leveldb "github.com/syndtr/goleveldb/leveldb/journal"
)

// The framing of records, see package leveldb/journal.
const (
	blockSize = 32 << 10
	chunkHead = 7
)

// scanner reads a segment: its preface, then its batches in order, as long as none is
// missing.
type scanner struct {
	preface
	file    *os.File
	records *leveldb.Reader
	payload bytes.Buffer // of the latest record
	end     int64        // of what has been good so far
	size    int64        // of the file
}

// openScanner opens a segment and reads its preface. io.EOF says that there is none,
// because the end of the file was torn off; the scanner must still be closed.
func openScanner(path string) (*scanner, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s := &scanner{file: f, records: leveldb.NewReader(f, nil, false, true)}
	err = s.open()
	if err != nil && err != io.EOF {
		s.close()
		return nil, err
	}
	return s, err
}

func (s *scanner) open() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	s.size = info.Size()
	if err := s.read(); err != nil {
		return s.stop(err)
	}
	// After damage the reader goes on with the next record that is good.
	switch err := s.preface.decode(s.payload.Bytes()); {
	case err == errPreface:
		return s.stop(errPreface)
	case err != nil:
		return fmt.Errorf("%s: %w", s.file.Name(), err)
	}
	s.end = framed(0, s.payload.Len())
	return nil
}

func (s *scanner) close() { _ = s.file.Close() } // it was only read

// next returns the next batch; its entries are good until the next call. It returns
// io.EOF at the end, even if the tail is torn, and ErrCorrupt if something that was safe
// is damaged.
func (s *scanner) next() (h head, entries []byte, err error) {
	if err := s.read(); err != nil {
		return head{}, nil, s.stop(err)
	}
	entries, err = h.decode(s.payload.Bytes(), s.at.BootID)
	if err != nil || h.offset != s.end {
		return head{}, nil, s.stop(errBatch)
	}
	s.end = framed(s.end, s.payload.Len())
	return h, entries, nil
}

// read reads the next record that is whole.
func (s *scanner) read() error {
	r, err := s.records.Next()
	if err != nil {
		return err
	}
	s.payload.Reset()
	_, err = s.payload.ReadFrom(r)
	return err
}

// stop decides what an error at the end of what was good means: a torn tail, or
// that the segment is corrupt because a later batch says that more was safe.
func (s *scanner) stop(err error) error {
	switch {
	case err == io.EOF && s.end == s.size:
		return io.EOF
	case err == io.EOF, err == io.ErrUnexpectedEOF, err == errBatch, err == errPreface:
	default:
		return fmt.Errorf("journal: %w", err)
	}
	synced, err := s.promised()
	switch {
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	case synced <= s.end:
		return io.EOF
	}
	return damaged(s.file.Name(), s.end)
}

// damaged is the error for damage that is not a torn tail.
func damaged(path string, at int64) error {
	return corrupt(path, fmt.Sprintf("is damaged at byte %d, which had been safe on the disk", at))
}

func corrupt(path, what string) error {
	return fmt.Errorf("%w: %s %s: restore the directory from a copy, or move it away to start without locks", ErrCorrupt, path, what)
}

// promised reads what lies behind the damage, and returns up to where the batches there
// say that the segment was on the disk. It tries to find a batch at every byte:
// records.Next would go on only at the next block.
func (s *scanner) promised() (synced int64, err error) {
	block := make([]byte, blockSize)
	for start := s.end - s.end%blockSize; start < s.size; start += blockSize {
		n, err := s.file.ReadAt(block, start)
		if err != nil && err != io.EOF {
			return 0, err
		}
		synced = max(synced, promisedIn(block[:n], start))
	}
	return synced, nil
}

// promisedIn is promised for one block, which starts at a point of a segment.
func promisedIn(block []byte, start int64) (synced int64) {
	r := leveldb.NewReader(nil, nil, true, true)
	for i := 0; i+chunkHead+headSize <= len(block); i++ {
		// Try only where a batch says that it begins. Its offset may be less by the
		// padding of the block before.
		padded := start + int64(i) - offsetOf(block[i+chunkHead:])
		if padded < 0 || padded >= chunkHead {
			continue
		}
		_ = r.Reset(bytes.NewReader(block[i:]), nil, true, true)
		if h, ok := headOf(r); ok {
			synced = max(synced, h.synced)
		}
	}
	return synced
}

// headOf reads the head of the first batch, which is good even if the rest of the
// batch is not.
func headOf(r *leveldb.Reader) (h head, ok bool) {
	record, err := r.Next()
	if err != nil {
		return head{}, false
	}
	var b [headSize]byte
	if _, err := io.ReadFull(record, b[:]); err != nil {
		return head{}, false
	}
	_, err = h.decode(b[:], "")
	return h, err == nil
}

// framed is the offset at which a record of n bytes ends if it begins at the offset at.
func framed(at int64, n int) int64 {
	for first := true; first || n > 0; first = false {
		left := blockSize - at%blockSize
		if left < chunkHead {
			at += left
			left = blockSize
		}
		chunk := min(int64(n), left-chunkHead)
		at += chunkHead + chunk
		n -= int(chunk)
	}
	return at
}
