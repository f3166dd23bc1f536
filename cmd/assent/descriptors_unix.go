//go:build unix

package main

import "syscall"

// descriptors is how many files and connections this process may have open; 0 where
// that is not known. Go raises the soft limit to the hard one at start.
func descriptors() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}
