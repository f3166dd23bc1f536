package wal

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"assent/disk"
)

const (
	// maxSpares bounds the files that are kept for reuse.
	maxSpares = 2
	// partBytes is how much is overwritten and synced, or given up, at once.
	partBytes = 1 << 20
	// partEvery is how long the next part waits to be given up: 20 MB/s go.
	partEvery = 50 * time.Millisecond
	// plenty is how much of the disk must be free, beyond the reserve, for that.
	plenty = 1 << 30
	// rest is how long a released file may wait to be used again as it is, which
	// spares a busy log the wipe.
	rest = 5 * time.Second
	// largeGroup is how many bytes a group has on average from which on a segment
	// may as well grow: what it takes to allocate its blocks is little beside what
	// is written, and to wipe a spare would write everything twice.
	largeGroup = 256 << 10
	// maxStale is how long a segment may have bytes of a former life behind its
	// end.
	maxStale = 30 * time.Second
)

// A keeper has the files that hold no live entries: it overwrites or removes
// those of released segments and keeps some ready to become segments. None of
// that makes the writer wait.
type keeper struct {
	log  *Log
	wake chan struct{} // capacity 1
	nrdy atomic.Int32  // len(clean)
	grow atomic.Bool   // groups are large: make no spare

	mu      sync.Mutex
	retired []*segment // in the order they were given up
	dirty   []spare
	wiping  int
	clean   []string // paths
	dropped []string // paths of files that are to go
}

// A spare is a file to be overwritten.
type spare struct {
	path  string
	size  int64     // behind that it is zeros already
	since time.Time // its release; zero: it is not to be used as it is
}

func (k *keeper) open(l *Log) {
	k.log, k.wake = l, make(chan struct{}, 1)
}

// adopt takes over what an earlier process left.
func (k *keeper) adopt(path, state string) {
	switch {
	case len(k.clean)+len(k.dirty) >= maxSpares:
		k.dropped = append(k.dropped, path)
	case state == clean:
		k.clean = append(k.clean, path)
		k.nrdy.Add(1)
	default:
		k.dirty = append(k.dirty, spare{path: path, size: k.log.opt.SegmentBytes})
	}
}

// ready reports whether a file waits to become a segment.
func (k *keeper) ready() bool { return k.nrdy.Load() > 0 }

// claim opens the file of a new segment.
func (k *keeper) claim(s *segment) (disk.File, error) {
	system := k.log.opt.FS
	k.mu.Lock()
	var from string
	if n := len(k.clean); n > 0 {
		from, k.clean = k.clean[n-1], k.clean[:n-1]
		k.nrdy.Add(-1)
	} else if i := slices.IndexFunc(k.dirty, func(d spare) bool { return !d.since.IsZero() }); i >= 0 {
		from, s.stale = k.dirty[i].path, true
		k.dirty = slices.Delete(k.dirty, i, i+1)
	}
	k.mu.Unlock()
	k.poke()
	if from == "" {
		s.grows = true
		return system.Create(s.path)
	}
	err := system.Rename(from, s.path)
	if err == nil {
		var f disk.File
		if f, err = system.Open(s.path); err == nil {
			return f, nil
		}
	}
	k.drop(from)
	k.drop(s.path)
	return nil, err
}

// drop has a file removed that holds nothing.
func (k *keeper) drop(path string) {
	k.mu.Lock()
	k.dropped = append(k.dropped, path)
	k.mu.Unlock()
	k.poke()
}

// retire takes over a segment that nobody needs.
func (k *keeper) retire(s *segment) {
	k.mu.Lock()
	k.retired = append(k.retired, s)
	k.mu.Unlock()
}

func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run works until the log is closed. What fails is tried again after a tick.
func (k *keeper) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var more <-chan time.Time
	k.poke()
	for {
		select {
		case <-k.log.done:
			return
		case <-k.wake:
		case <-ticker.C:
		case <-more:
		}
		if err := errors.Join(k.bury(true), k.sweep(false), k.prepare()); err != nil {
			errorsTotal.Inc()
			select {
			case <-k.log.done:
				return
			case <-ticker.C:
			}
		}
		if more = nil; k.sweeping() {
			more = time.After(partEvery)
		}
	}
}

// close removes what must not stay, as far as the disk lets it: nobody overwrites
// it until the next start.
func (k *keeper) close() {
	for _, s := range k.dirty {
		k.dropped = append(k.dropped, s.path)
	}
	k.bury(false)
	k.sweep(true)
}

func (k *keeper) sweeping() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.dropped) > 0
}

// sweep removes the files that hold nothing: a part of the first one, or whole ones
// where their space is needed. To free large files at once keeps the disk, a
// processor and, on a virtual machine that gives its free memory back, all of it
// busy for tens of milliseconds, again and again while a backlog drains.
func (k *keeper) sweep(closing bool) error {
	var failed error
	k.mu.Lock()
	defer k.mu.Unlock()
	for range k.dropped {
		path, hurry := k.dropped[0], closing || !k.leisureLocked()
		k.mu.Unlock()
		gone, err := k.shed(path, hurry)
		if hurry {
			k.log.measure()
		}
		k.mu.Lock()
		if gone || err != nil {
			k.dropped = k.dropped[1:]
		}
		if err != nil {
			k.dropped = append(k.dropped, path) // others first
		}
		if failed = errors.Join(failed, err); !hurry {
			break
		}
	}
	return failed
}

// leisureLocked reports whether the space of the files that are to go is not
// needed yet.
func (k *keeper) leisureLocked() bool {
	l := k.log
	return l.free.Load() > l.opt.ReserveBytes+plenty && l.used.Load()+int64(len(k.dropped))*l.opt.SegmentBytes <= l.opt.LeisureBytes
}

// shed takes a part off a file, or removes it.
func (k *keeper) shed(path string, whole bool) (gone bool, err error) {
	system := k.log.opt.FS
	if !whole {
		if f, err := system.Open(path); err == nil {
			defer f.Close()
			if size, err := f.Size(); err == nil && size > partBytes && f.Truncate(size-partBytes) == nil {
				return false, nil
			}
		}
	}
	if err = system.Remove(path); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err == nil, err
}

// bury takes away the names of released segments, in the order they were given up
// and each durably before the next: a later one may say what became of an earlier
// one's entries.
func (k *keeper) bury(reuse bool) error {
	opt := &k.log.opt
	for {
		k.mu.Lock()
		if len(k.retired) == 0 {
			k.mu.Unlock()
			return nil
		}
		s := k.retired[0]
		reuse := reuse && k.roomLocked() && max(s.size, s.end.Load()) <= opt.SegmentBytes
		k.mu.Unlock()
		name := s.path[:len(s.path)-len(live)] + dirty
		err := opt.FS.Rename(s.path, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = opt.FS.SyncDir(opt.Dir)
		}
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.retired = k.retired[1:]
		if reuse {
			k.dirty = append(k.dirty, s.spare(name, opt.SegmentBytes, opt.Now()))
		} else {
			k.dropped = append(k.dropped, name)
		}
		k.mu.Unlock()
	}
}

// spare returns what is left of a released segment.
func (s *segment) spare(path string, whole int64, now time.Time) spare {
	switch {
	case s.grows || s.failed || s.size > 0: // not as long as it should be, perhaps
		return spare{path: path, size: whole}
	case s.stale:
		return spare{path, whole, now}
	default:
		return spare{path, pageUp(s.end.Load()), now}
	}
}

// roomLocked reports whether one more spare may be kept.
func (k *keeper) roomLocked() bool {
	l, spares := k.log, int64(len(k.clean)+len(k.dirty)+k.wiping)
	return spares < maxSpares && l.free.Load() > l.opt.ReserveBytes+l.opt.SegmentBytes &&
		l.used.Load()+(spares+1)*l.opt.SegmentBytes <= l.opt.MaxBytes
}

// prepare overwrites spares, and makes one when there is none.
func (k *keeper) prepare() error {
	opt := &k.log.opt
	k.mu.Lock()
	fresh := !k.grow.Load() && len(k.clean)+len(k.dirty)+k.wiping == 0 && k.roomLocked()
	k.mu.Unlock()
	if fresh {
		path, err := k.create()
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.dirty = append(k.dirty, spare{path: path, size: opt.SegmentBytes})
		k.mu.Unlock()
	}
	for {
		now := opt.Now()
		k.mu.Lock()
		i := slices.IndexFunc(k.dirty, func(d spare) bool { return now.Sub(d.since) >= rest })
		if i < 0 {
			k.mu.Unlock()
			return nil
		}
		s := k.dirty[i]
		k.dirty = slices.Delete(k.dirty, i, i+1)
		k.wiping = 1
		k.mu.Unlock()
		name := s.path[:len(s.path)-len(dirty)] + clean
		err := k.wipe(s)
		if err == nil {
			err = opt.FS.Rename(s.path, name)
		}
		k.mu.Lock()
		k.wiping = 0
		if err == nil {
			k.clean = append(k.clean, name)
			k.nrdy.Add(1)
		} else {
			k.dropped = append(k.dropped, s.path)
		}
		k.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

var errClosing = errors.New("log is closing")

// create makes an empty spare.
func (k *keeper) create() (path string, err error) {
	path = filepath.Join(k.log.opt.Dir, fileName(0, rand.Uint64(), dirty))
	f, err := k.log.opt.FS.Create(path)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

var zeros [partBytes]byte

// wipe overwrites a spare with zeros, durably. It takes a quarter of the disk's
// time.
func (k *keeper) wipe(s spare) error {
	f, err := k.log.opt.FS.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.Size(); err == nil && n > k.log.opt.SegmentBytes { // of a group larger than a segment
		if err := f.Truncate(k.log.opt.SegmentBytes); err != nil {
			return err
		}
	}
	for off := int64(0); off < s.size; off += partBytes {
		start := time.Now()
		part := zeros[:min(partBytes, s.size-off)]
		if n, err := f.WriteAt(part, off); err != nil || n < len(part) {
			return cmp.Or(err, io.ErrShortWrite)
		}
		if err := f.Sync(); err != nil {
			return err
		}
		select {
		case <-k.log.done:
			return errClosing
		case <-time.After(3 * time.Since(start)):
		}
	}
	return nil
}
