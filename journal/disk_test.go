package journal

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"
)

// disk makes files that fail when they are told to.
type disk struct {
	mu     sync.Mutex
	create error // of Create
	write  error // of every Write, half of which is done
	sync   error // of the next Sync of each file
	files  []*diskFile
	gate   chan struct{} // if not nil, what a Sync waits for
}

type diskFile struct {
	File
	disk  *disk
	path  string
	size  int64 // bytes written
	safe  int64 // how many of them would survive a power cut
	syncs int
	lost  bool // a Sync failed
}

func (d *disk) Create(path string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.create != nil {
		return nil, d.create
	}
	f, err := createFile(path)
	if err != nil {
		return nil, err
	}
	df := &diskFile{File: f, disk: d, path: path}
	d.files = append(d.files, df)
	return df, nil
}

// set changes what fails.
func (d *disk) set(create, write, sync error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.create, d.write, d.sync = create, write, sync
}

// syncs is how often the latest file was forced to the disk.
func (d *disk) syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[len(d.files)-1].syncs
}

// powerCut forgets what was not forced to the disk.
func (d *disk) powerCut(t testing.TB) {
	for _, f := range d.files {
		if err := os.Truncate(f.path, min(f.safe, f.size)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func (f *diskFile) Write(b []byte) (n int, err error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err = f.disk.write; err == nil {
		n, err = f.File.Write(b)
	} else {
		n, _ = f.File.Write(b[:len(b)/2])
	}
	f.size += int64(n)
	return n, err
}

// Truncate works on a full disk, too.
func (f *diskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.size = size
	return f.File.(*os.File).Truncate(size)
}

// Sync fails once and then claims to succeed, as the kernel does, which has forgotten
// what could not be written. It does not wait for the real disk, which would show
// nothing.
func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	f.syncs++
	err, gate, lost, size := f.disk.sync, f.disk.gate, f.lost, f.size
	f.lost = f.lost || err != nil
	f.disk.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case err != nil && !lost:
		return err
	case !f.lost:
		f.safe = size
	}
	return nil
}
