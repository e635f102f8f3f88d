package credentials

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// source is what some files say. Of its values the latest good one is in use. Safe
// for concurrent use.
type source[T any] struct {
	paths   []string
	read    func() (*T, error)
	current atomic.Pointer[T]

	mu     sync.Mutex // guards what follows
	seen   []os.FileInfo
	loaded time.Time
}

// Reload reads the files again. If that fails, with an error that names the file,
// what was read before stays in use.
func (s *source[T]) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = look(s.paths) // first: what changes while it is read is read once more
	value, err := s.read()
	if err != nil {
		return err
	}
	s.current.Store(value)
	s.loaded = time.Now()
	return nil
}

// Changed reports whether a file is not the one that was read last, successfully
// or not.
func (s *source[T]) Changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.EqualFunc(s.seen, look(s.paths), same)
}

// Files are those that it is read from.
func (s *source[T]) Files() []string { return s.paths }

// Loaded is when what is in use was read.
func (s *source[T]) Loaded() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded
}

// look is how the files look now; one that is not there is nil.
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
