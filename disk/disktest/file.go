package disktest

import (
	"io"
	"io/fs"
	"math"
	"slices"
	"syscall"
	"time"
)

// file is an open file of a Mem.
type file struct {
	fs       *Mem
	path     string
	n        *inode
	off      int64
	readOnly bool
	appends  bool
}

// Read implements disk.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements disk.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	unlock, err := f.fs.at("read", f.path)
	defer unlock()
	if err != nil {
		return 0, err
	}
	n := copy(p, f.n.data[min(off, int64(len(f.n.data))):])
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Write implements disk.File.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.write(p, f.off, f.appends)
	f.off += int64(n)
	return n, err
}

// WriteAt implements disk.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.appends {
		return 0, fs.ErrInvalid
	}
	return f.write(p, off, false)
}

// write writes at off, or at the end.
func (f *file) write(p []byte, off int64, end bool) (int, error) {
	unlock, err := f.fs.at("write", f.path)
	defer unlock()
	if end {
		off = int64(len(f.n.data))
	}
	if f.readOnly {
		return 0, syscall.EBADF
	}
	if err != nil || f.fs.short {
		p = p[:len(p)/2]
	}
	size := int64(len(f.n.data))
	if grows := off + int64(len(p)) - size; grows > 0 && f.fs.capacity != math.MaxInt64 {
		if lacks := grows - f.fs.free(); lacks > 0 {
			p = p[:max(0, int64(len(p))-lacks)]
			err = syscall.ENOSPC
		}
	}
	last := off + int64(len(p))
	if last > size {
		f.n.data = slices.Grow(f.n.data, int(last-size))[:last]
		clear(f.n.data[size:])
		f.n.wrote(int(size), int(last))
	}
	copy(f.n.data[off:], p)
	f.n.wrote(int(off), int(last))
	return len(p), err
}

// Sync implements disk.File. What was written before it began is durable when it
// returns nil. When it fails, the next one reports success all the same and has
// not written what this one lost, as Linux does.
func (f *file) Sync() error {
	f.fs.mu.Lock()
	n, pause := f.n, f.fs.syncTime
	from, size := n.lo, len(n.data)
	written := slices.Clone(n.data[n.lo:min(n.hi, size)])
	n.lo, n.hi = 0, 0
	f.fs.mu.Unlock()
	time.Sleep(pause)
	unlock, err := f.fs.at("sync", f.path)
	defer unlock()
	if err != nil {
		return err
	}
	if len(n.synced) > size {
		n.synced = n.synced[:size]
	}
	n.synced = append(n.synced, make([]byte, size-len(n.synced))...)
	copy(n.synced[from:], written)
	return nil
}

// Size implements disk.File.
func (f *file) Size() (int64, error) {
	unlock, err := f.fs.at("size", f.path)
	defer unlock()
	return int64(len(f.n.data)), err
}

// Linked implements disk.File.
func (f *file) Linked() (int64, error) {
	unlock, err := f.fs.at("size", f.path)
	defer unlock()
	if err == nil && f.fs.live[f.path] != f.n {
		err = fs.ErrNotExist
	}
	return int64(len(f.n.data)), err
}

// Truncate implements disk.File.
func (f *file) Truncate(size int64) error {
	unlock, err := f.fs.at("truncate", f.path)
	defer unlock()
	if err != nil {
		return err
	}
	n := f.n
	n.lo, n.hi = min(n.lo, int(size)), min(n.hi, int(size))
	if have := len(n.data); int(size) <= have {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, int(size)-have)...)
		n.wrote(have, int(size))
	}
	return nil
}

// Close implements disk.File.
func (f *file) Close() error { return nil }
