package journal

import (
	"sync"
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
	df := &diskFile{File: f, disk: d}
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

func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	err := f.disk.write
	f.disk.mu.Unlock()
	if err == nil {
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:len(b)/2])
	return n, err
}

// Sync fails once and then claims to succeed, as the kernel does, which has
// forgotten what could not be written.
func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	f.syncs++
	err, gate, lost := f.disk.sync, f.disk.gate, f.lost
	f.lost = f.lost || err != nil
	f.disk.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil && !lost {
		return err
	}
	return nil // what it would do costs time and tells nothing
}
