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
