package store

import (
	"time"

	"assent/disk"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// patientFS makes a full disk a slow one. Pebble takes it for fatal, in the middle of
// its locks, that it cannot begin a file, and repeats a failed flush at once and for
// ever. Here an operation that finds no room is tried again after a pause, until there
// is room; its caller waits, and whoever waits for that caller leaves after a while (see
// Put). An operation that failed otherwise fails.
type patientFS struct {
	vfs.FS
	pause time.Duration
}

// until tries an operation until the disk is not full.
func (p patientFS) until(f func() error) {
	for disk.IsFull(f()) {
		time.Sleep(p.pause)
	}
}

func (p patientFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return patientFile{f, p}, nil
}

// Create implements vfs.FS.
func (p patientFS) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	p.until(func() error { f, err = p.FS.Create(name, c); return err })
	return p.file(f, err)
}

// ReuseForWrite implements vfs.FS.
func (p patientFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	p.until(func() error { f, err = p.FS.ReuseForWrite(from, to, c); return err })
	return p.file(f, err)
}

// OpenReadWrite implements vfs.FS.
func (p patientFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (f vfs.File, err error) {
	p.until(func() error { f, err = p.FS.OpenReadWrite(name, c, o...); return err })
	return p.file(f, err)
}

// Link implements vfs.FS.
func (p patientFS) Link(from, to string) (err error) {
	p.until(func() error { err = p.FS.Link(from, to); return err })
	return err
}

// Rename implements vfs.FS.
func (p patientFS) Rename(from, to string) (err error) {
	p.until(func() error { err = p.FS.Rename(from, to); return err })
	return err
}

type patientFile struct {
	vfs.File
	fs patientFS
}

// Write implements io.Writer. What of p is written already is not written again.
func (f patientFile) Write(p []byte) (n int, err error) {
	f.fs.until(func() error {
		var more int
		more, err = f.File.Write(p[n:])
		n += more
		return err
	})
	return n, err
}

// Preallocate implements vfs.File. Room that cannot be had beforehand is asked for
// again by the write that needs it.
func (f patientFile) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); !disk.IsFull(err) {
		return err
	}
	return nil
}
