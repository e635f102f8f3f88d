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
	blockSize  = 32 << 10
	chunkHead  = 7
	chunkFull  = 1 // a whole record
	chunkFirst = 2 // its beginning
)

// scanner reads a segment: its preface, and the batches one after the other, as
// far as nothing is missing.
type scanner struct {
	preface
	file    *os.File
	records *leveldb.Reader
	payload bytes.Buffer // of the latest record
	end     int64        // of what was good so far
	size    int64        // of the file
}

// openScanner opens a segment and reads its preface. With io.EOF there is none,
// because the end of the file was torn off; the scanner is good for close.
func openScanner(path string) (*scanner, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s := &scanner{file: f, records: leveldb.NewReader(f, nil, false, true)}
	if err := s.open(); err != nil && err != io.EOF {
		s.close()
		return nil, err
	} else {
		return s, err
	}
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

// next returns the next batch; its entries are good until the call after it. It
// returns io.EOF at the end, also where the tail is torn, and ErrCorrupt where
// something is damaged that was safe.
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
	case err == io.EOF:
		return io.EOF
	case err == io.ErrUnexpectedEOF, err == errBatch, err == errPreface:
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
	return s.corrupt()
}

// corrupt is the error for damage behind what was good.
func (s *scanner) corrupt() error {
	return corrupt(s.file.Name(), fmt.Sprintf("is damaged at byte %d, which had been safe on the disk", s.end))
}

func corrupt(path, what string) error {
	return fmt.Errorf("%w: %s %s: restore the directory from a copy, or move it away to start without locks", ErrCorrupt, path, what)
}

// promised looks through what lies behind the damage, and returns up to where the
// segment was on the disk by what the batches there say.
func (s *scanner) promised() (synced int64, err error) {
	synced, err = s.promisedInBlock()
	for err == nil {
		var h head
		if _, bad := h.decode(s.payload.Bytes(), ""); bad == nil && h.offset > s.end {
			synced = max(synced, h.synced)
		}
		if err = s.read(); err == io.ErrUnexpectedEOF {
			s.payload.Reset() // but there may be others
			err = nil
		}
	}
	if err == io.EOF {
		err = nil
	}
	return synced, err
}

// promisedInBlock looks at every byte of the damaged block for a batch that begins
// there: the reader of records would go on only with the next block.
func (s *scanner) promisedInBlock() (synced int64, err error) {
	block := make([]byte, blockSize-s.end%blockSize)
	n, err := s.file.ReadAt(block, s.end)
	if err != nil && err != io.EOF {
		return 0, err
	}
	block = block[:n]
	one := leveldb.NewReader(nil, nil, true, true)
	for i := 1; i+chunkHead+headSize <= len(block); i++ {
		if kind := block[i+chunkHead-1]; kind != chunkFull && kind != chunkFirst {
			continue
		}
		_ = one.Reset(bytes.NewReader(block[i:]), nil, true, true)
		if h, ok := headOf(one); ok && h.offset == s.end+int64(i) {
			synced = max(synced, h.synced)
		}
	}
	return synced, nil
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

// framed is where a record of n bytes ends that begins at a point of a segment.
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
