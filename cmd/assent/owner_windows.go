package main

import "io/fs"

// owner: who may read a file is said by its access control list here, not by a mode.
func owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }
