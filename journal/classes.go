package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	leveldb "github.com/syndtr/goleveldb/leveldb/journal"
)

const (
	classesName = "classes"
	unfinished  = ".new"
)

// SaveClasses saves the statistics of classes, in place of those saved before. It waits
// for the disk. Only one call may run at a time.
func (j *Journal) SaveClasses(blob []byte) error {
	path := filepath.Join(j.config.Dir, classesName)
	if err := writeClasses(path+unfinished, blob); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.syncDir(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// writeClasses writes one record, as in a segment, and forces it to the disk.
func writeClasses(path string, blob []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	framer := leveldb.NewWriter(f)
	w, err := framer.Next()
	if err == nil {
		_, err = w.Write(blob)
	}
	if err == nil {
		err = framer.Close()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// loadClasses returns what SaveClasses kept, nil if there is nothing. No promise depends
// on statistics: if they are damaged, they are lost, but locks are served.
func (j *Journal) loadClasses() []byte {
	f, err := os.Open(filepath.Join(j.config.Dir, classesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var blob []byte
	if err == nil {
		defer f.Close()
		blob, err = readClasses(f)
	}
	if err != nil {
		j.config.Logger.Warn().Err(err).Msg("the statistics of classes cannot be read and begin anew")
		return nil
	}
	return blob
}

func readClasses(r io.Reader) ([]byte, error) {
	record, err := leveldb.NewReader(r, nil, true, true).Next()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(record)
}
