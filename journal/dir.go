package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	lockName      = "lock"
	segmentPrefix = "journal-"

	dirMode  = 0o700 // holders' names are nobody else's business
	fileMode = 0o600
)

// possess makes the directory if needed and locks it until the file is closed or the
// process ends.
func possess(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	// A new directory must survive a power cut. A process that cannot read the parent has
	// not made the directory either.
	_ = syncPath(filepath.Dir(filepath.Clean(dir)))
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal: lock %s: %w", f.Name(), err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, fmt.Errorf("%w: process %s has %s: stop it, or use another directory", ErrInUse, strings.TrimSpace(string(pid)), dir)
	}
	// The id is for people only: the directory is ours without it.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.config.Dir, fmt.Sprintf("%s%08d", segmentPrefix, number))
}

// segments returns the numbers of the segments in the directory, the newest first.
func (j *Journal) segments() ([]uint64, error) {
	files, err := os.ReadDir(j.config.Dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var numbers []uint64
	for _, f := range files {
		digits, ok := strings.CutPrefix(f.Name(), segmentPrefix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

// remove deletes segments. One that cannot be deleted only takes space: the next Replay
// tries again.
func (j *Journal) remove(numbers ...uint64) {
	for _, n := range numbers {
		if err := os.Remove(j.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.config.Logger.Warn().Err(err).Msg("cannot delete an old segment of the journal")
		}
	}
}

// syncPath forces a directory, or a file that another process has written, to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDir makes files that were made or renamed survive a power cut.
func (j *Journal) syncDir() error { return syncPath(j.config.Dir) }
