package disk

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// fullErrors say that no space or quota is left. The invented numbers of package
// syscall are what tests speak of.
var fullErrors = []error{
	windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED,
	syscall.ENOSPC, syscall.EDQUOT,
}

// openFile lets others rename and remove the file while it is open, as they may on
// every other system: a segment is used again while somebody still reads it.
func openFile(path string, flag int) (*os.File, error) {
	access, create := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if flag&os.O_RDWR != 0 {
		access |= windows.GENERIC_WRITE
	}
	if flag&os.O_EXCL != 0 {
		create = windows.CREATE_NEW
	}
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
		var h windows.Handle
		if h, err = windows.CreateFile(name, access, share, nil, create, windows.FILE_ATTRIBUTE_NORMAL, 0); err == nil {
			return os.NewFile(uintptr(h), path), nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: err}
}

// Append implements FS.
func (OS) Append(path string) (File, error) {
	f, err := open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	return appendFile{f.(osFile)}, nil
}

// An appendFile is written at its end. A handle that only has the right to append
// (FILE_APPEND_DATA) could not be truncated.
type appendFile struct{ osFile }

// Write implements File: the offset of all ones means the end of the file (WriteFile).
func (f appendFile) Write(p []byte) (int, error) {
	var n uint32
	err := windows.WriteFile(windows.Handle(f.Fd()), p, &n, &windows.Overlapped{Offset: 1<<32 - 1, OffsetHigh: 1<<32 - 1})
	if err != nil {
		err = &fs.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	return int(n), err
}

// WriteAt implements File.
func (f appendFile) WriteAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: fs.ErrInvalid}
}

// Linked implements File.
func (f osFile) Linked() (int64, error) {
	own, err := f.Stat()
	if err != nil {
		return 0, err
	}
	named, err := os.Stat(f.Name())
	if err == nil && !os.SameFile(own, named) {
		err = &fs.PathError{Op: "stat", Path: f.Name(), Err: fs.ErrNotExist}
	}
	return own.Size(), err
}

// SyncDir implements FS. A directory cannot be flushed here: NTFS journals its
// entries in the order they were made.
func (OS) SyncDir(string) error { return nil }

// Lock implements FS by a lock that ends with the process.
func (OS) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	const now = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), now, 0, 1, 0, new(windows.Overlapped)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Free implements FS.
func (OS) Free(path string) (int64, error) {
	free, _, err := space(path)
	return free, err
}

// Total is the size of the file system of path in bytes.
func (OS) Total(path string) (int64, error) {
	_, total, err := space(path)
	return total, err
}

func space(path string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, err
	}
	var f, t uint64
	if err := windows.GetDiskFreeSpaceEx(name, &f, &t, nil); err != nil {
		return 0, 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return int64(f), int64(t), nil
}
