package credentials

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// source is a value that is read from files. The latest one that could be read is in use. Safe
// for concurrent use.
type source[T any] struct {
	current atomic.Pointer[T]

	mu     sync.Mutex // guards what follows
	paths  []string
	read   func() (*T, error)
	seen   []os.FileInfo
	loaded time.Time
}

// replace takes what another source has read, and its files from now on. Nobody else uses the other.
func (s *source[T]) replace(other *source[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.read, s.seen, s.loaded = other.paths, other.read, other.seen, other.loaded
	s.current.Store(other.current.Load())
}

// Reload reads the files again. If that fails, what was read before stays in use, and the
// error names the file.
func (s *source[T]) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = look(s.paths) // first, so that a file that changes while it is read counts as changed
	value, err := s.read()
	if err != nil {
		return err
	}
	s.current.Store(value)
	s.loaded = time.Now()
	return nil
}

// Changed reports whether a file has changed since the last Reload, successful or not.
func (s *source[T]) Changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.EqualFunc(s.seen, look(s.paths), same)
}

// Files returns the paths of the files.
func (s *source[T]) Files() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths
}

// Loaded returns when the value in use was read.
func (s *source[T]) Loaded() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded
}

// look returns the present state of each file; nil for a file that cannot be found.
func look(paths []string) []os.FileInfo {
	list := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		list[i], _ = os.Stat(path)
	}
	return list
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
