//go:build unix

package disk

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// fullErrors say that no space or quota is left.
var fullErrors = []error{syscall.ENOSPC, syscall.EDQUOT}

// Append implements FS.
func (OS) Append(path string) (File, error) {
	return open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND)
}

// Linked implements File. Package os would allocate four times as much.
func (f osFile) Linked() (int64, error) {
	var own, named syscall.Stat_t
	for {
		err := syscall.Fstat(int(f.Fd()), &own)
		if err == nil {
			err = syscall.Stat(f.Name(), &named)
		}
		switch {
		case err == syscall.EINTR:
			continue
		case err == nil && (own.Dev != named.Dev || own.Ino != named.Ino):
			err = syscall.ENOENT
		}
		if err != nil {
			return 0, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
		}
		return own.Size, nil
	}
}

func openFile(path string, flag int) (*os.File, error) { return os.OpenFile(path, flag, filePerm) }

// SyncDir implements FS.
func (OS) SyncDir(path string) error {
	d, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock implements FS by an advisory lock that ends with the process.
func (OS) Lock(path string) (io.Closer, error) {
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

// Free implements FS.
func (OS) Free(path string) (int64, error) {
	s, err := statfs(path)
	return int64(s.Bavail) * int64(s.Bsize), err
}

// Total is the size of the file system of path in bytes.
func (OS) Total(path string) (int64, error) {
	s, err := statfs(path)
	return int64(s.Blocks) * int64(s.Bsize), err
}

func statfs(path string) (s syscall.Statfs_t, err error) {
	for {
		if err = syscall.Statfs(path, &s); err == nil {
			return s, nil
		}
		if err != syscall.EINTR {
			return syscall.Statfs_t{}, os.NewSyscallError("statfs", err)
		}
	}
}
