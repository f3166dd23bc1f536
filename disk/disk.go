// Package disk is the little of a file system that durability depends on, as an
// interface, so that tests can cut its power and fill it (disk/disktest).
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is a file system. Paths are as for package os. What it creates is private
// to the user who runs the process, because it holds personal data.
type FS interface {
	Create(path string) (File, error)   // for reading and writing; fails when path exists
	Append(path string) (File, error)   // as Create; Write writes at the end, wherever others moved the end to; WriteAt fails
	Open(path string) (File, error)     // for reading and writing
	OpenRead(path string) (File, error) // for reading only
	Rename(from, to string) error       // replaces to
	Remove(path string) error
	Mkdir(path string) error // its parent exists, it does not
	ReadDir(path string) ([]fs.DirEntry, error)
	SyncDir(path string) error           // makes creations, renames and removals inside durable
	Lock(path string) (io.Closer, error) // exclusive; fails at once when another holder has it
	Free(path string) (int64, error)     // bytes this user may still write to the file system of path
}

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer // at the offset where the last Read or Write of this handle ended
	io.WriterAt
	io.Closer
	Sync() error // data and size are durable when it returns nil
	Size() (int64, error)
	Linked() (int64, error) // Size; fails once the path the file was opened at names another file, or none
	Truncate(size int64) error
}

// IsFull reports whether err says that no space or quota is left.
func IsFull(err error) bool {
	for _, full := range fullErrors {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}

// MakeDir creates dir and what is missing above it, each durable in its parent.
// A directory that exists may be younger than its parent's last sync, so that
// one is synced again if its permissions allow.
func MakeDir(system FS, dir string) error {
	err := system.Mkdir(dir)
	if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MakeDir(system, parent); err != nil {
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

// OS is the file system of the machine.
type OS struct{}

var _ FS = OS{}

const (
	filePerm = 0o600
	dirPerm  = 0o700
)

// Create implements FS.
func (OS) Create(path string) (File, error) { return open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL) }

// Open implements FS.
func (OS) Open(path string) (File, error) { return open(path, os.O_RDWR) }

// OpenRead implements FS.
func (OS) OpenRead(path string) (File, error) { return open(path, os.O_RDONLY) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// Mkdir implements FS.
func (OS) Mkdir(path string) error { return os.Mkdir(path, dirPerm) }

// ReadDir implements FS.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

type osFile struct{ *os.File }

func open(path string, flag int) (File, error) {
	f, err := openFile(path, flag)
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
