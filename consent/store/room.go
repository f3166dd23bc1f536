package store

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	defaultReserve = 64 << 20
	// reservePart of a small file system is reserve enough.
	reservePart = 4
	lookEvery   = 100 * time.Millisecond
)

// room watches the free space of the store's file system. What is left of the reserve
// is for Pebble, whose tables and log must find room for what was acknowledged; half of
// it may be taken by choices that grant nothing, which are the last to be refused.
type room struct {
	fs      vfs.FS
	dir     string
	reserve int64 // 0: the default

	mu     sync.Mutex
	looked time.Time
	free   int64
	least  int64
	known  bool
}

// refuses reports whether there is no room for a write. A file system that does not
// say how much is free refuses nothing: there a failed write tells.
func (r *room) refuses(narrows bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.looked) >= lookEvery || now.Before(r.looked) {
		u, err := r.fs.GetDiskUsage(r.dir)
		r.looked, r.known = now, err == nil
		r.free = int64(u.AvailBytes)
		if r.least = r.reserve; r.least == 0 {
			r.least = min(defaultReserve, int64(u.TotalBytes)/reservePart)
		}
	}
	least := r.least
	if narrows {
		least /= 2
	}
	return r.known && r.free < least
}
