package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// fileSystem is the little of a file system that durability depends on, so that
// tests can cut its power and fill its disk. Paths are as for package os.
type fileSystem interface {
	Create(path string) (handle, error) // for appending; fails when path exists
	Open(path string) (handle, error)   // for reading, writing and truncating
	Rename(from, to string) error
	Remove(path string) error
	Mkdir(path string) error
	ReadDir(path string) ([]fs.DirEntry, error)
	SyncDir(path string) error // makes creations, renames and removals inside durable
	Lock(path string) (io.Closer, error)
}

type handle interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	Sync() error // data and size are durable when it returns nil
	Size() (int64, error)
	Truncate(size int64) error
}

type osFS struct{}

// Files are private to the user who runs the sink: they hold personal data.
const (
	filePerm = 0o600
	dirPerm  = 0o700
)

func (osFS) Create(path string) (handle, error) {
	return open(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL)
}
func (osFS) Open(path string) (handle, error)           { return open(path, os.O_RDWR) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) Remove(path string) error                   { return os.Remove(path) }
func (osFS) Mkdir(path string) error                    { return os.Mkdir(path, dirPerm) }
func (osFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

func (osFS) SyncDir(path string) error {
	d, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock takes an exclusive advisory lock that ends with the process.
func (osFS) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// makeDir creates dir and what is missing above it, each durable in its parent.
// A directory that exists may be younger than its parent's last sync, so that
// one is synced again if its permissions allow.
func makeDir(system fileSystem, dir string) error {
	err := system.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(system, filepath.Dir(dir)); err != nil {
			return err
		}
		err = system.Mkdir(dir)
	}
	existed := errors.Is(err, fs.ErrExist)
	if err != nil && !existed {
		return err
	}
	err = system.SyncDir(filepath.Dir(dir))
	if existed && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

type osFile struct{ *os.File }

func open(path string, flag int) (handle, error) {
	f, err := os.OpenFile(path, flag, filePerm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
