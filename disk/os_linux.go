package disk

import (
	"os"
	"syscall"
)

// Sync is fdatasync: it leaves out the times but not the size, which is all a
// reader after a crash needs.
func (f osFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// Free implements FS.
func (OS) Free(path string) (int64, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(path, &s)
		if err == nil {
			return int64(s.Bavail) * s.Bsize, nil
		}
		if err != syscall.EINTR {
			return 0, os.NewSyscallError("statfs", err)
		}
	}
}
