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
	// partEvery is how long the next part waits to be given up: 20 MB/s.
	partEvery = 50 * time.Millisecond
	// plenty is how much of the disk must be free, beyond the reserve, for that.
	plenty = 1 << 30
	// rest is how long a released file may be used again without being wiped: a busy
	// log needs the next file sooner than a wipe would take.
	rest = 5 * time.Second
	// largeGroup is how many bytes a group has on average from which on a segment
	// may as well grow: what it takes to allocate its blocks is little beside what
	// is written, and to wipe a spare would write everything twice.
	largeGroup = 256 << 10
	// maxStale is how long a segment may have bytes of a former life behind its
	// end.
	maxStale = 30 * time.Second
)

// A recycler has the files that hold no live entries. It overwrites or removes those
// of released segments and keeps some ready to become segments. The writer waits for
// none of that.
type recycler struct {
	log   *Log
	woken chan struct{} // capacity 1
	nrdy  atomic.Int32  // len(clean)
	grow  atomic.Bool   // groups are large: make no spare

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

func (r *recycler) open(l *Log) {
	r.log, r.woken = l, make(chan struct{}, 1)
}

// adopt takes over what an earlier process left.
func (r *recycler) adopt(path, state string) {
	switch {
	case len(r.clean)+len(r.dirty) >= maxSpares:
		r.dropped = append(r.dropped, path)
	case state == clean:
		r.clean = append(r.clean, path)
		r.nrdy.Add(1)
	default:
		r.dirty = append(r.dirty, spare{path: path, size: r.log.opt.SegmentBytes})
	}
}

// ready reports whether a file waits to become a segment.
func (r *recycler) ready() bool { return r.nrdy.Load() > 0 }

// claim opens the file of a new segment.
func (r *recycler) claim(s *segment) (disk.File, error) {
	system := r.log.opt.FS
	r.mu.Lock()
	var from string
	if n := len(r.clean); n > 0 {
		from, r.clean = r.clean[n-1], r.clean[:n-1]
		r.nrdy.Add(-1)
	} else if i := slices.IndexFunc(r.dirty, func(d spare) bool { return !d.since.IsZero() }); i >= 0 {
		from, s.stale = r.dirty[i].path, true
		r.dirty = slices.Delete(r.dirty, i, i+1)
	}
	r.mu.Unlock()
	r.wake()
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
	r.drop(from)
	r.drop(s.path)
	return nil, err
}

// drop has a file removed that holds nothing.
func (r *recycler) drop(path string) {
	r.mu.Lock()
	r.dropped = append(r.dropped, path)
	r.mu.Unlock()
	r.wake()
}

// retire takes over a segment that nobody needs.
func (r *recycler) retire(s *segment) {
	r.mu.Lock()
	r.retired = append(r.retired, s)
	r.mu.Unlock()
}

func (r *recycler) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// run works until the log is closed. What fails is tried again after a tick.
func (r *recycler) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var more <-chan time.Time
	r.wake()
	for {
		select {
		case <-r.log.done:
			return
		case <-r.woken:
		case <-ticker.C:
		case <-more:
		}
		if err := errors.Join(r.bury(true), r.sweep(false), r.prepare()); err != nil {
			errorsTotal.Inc()
			select {
			case <-r.log.done:
				return
			case <-ticker.C:
			}
		}
		if more = nil; r.sweeping() {
			more = time.After(partEvery)
		}
	}
}

// close removes what must not stay, as far as the disk lets it: nobody overwrites
// it until the next start.
func (r *recycler) close() {
	for _, s := range r.dirty {
		r.dropped = append(r.dropped, s.path)
	}
	r.bury(false)
	r.sweep(true)
}

func (r *recycler) sweeping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.dropped) > 0
}

// sweep removes the files that hold nothing: a part of the first one, or whole ones
// where their space is needed. To free large files at once keeps the disk, a
// processor and, on a virtual machine that gives its free memory back, all of it
// busy for tens of milliseconds, again and again while a backlog drains.
func (r *recycler) sweep(closing bool) error {
	var failed error
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.dropped {
		path, hurry := r.dropped[0], closing || !r.leisureLocked()
		r.mu.Unlock()
		gone, err := r.shed(path, hurry)
		if hurry {
			r.log.measure()
		}
		r.mu.Lock()
		if gone || err != nil {
			r.dropped = r.dropped[1:]
		}
		if err != nil {
			r.dropped = append(r.dropped, path) // others first
		}
		if failed = errors.Join(failed, err); !hurry {
			break
		}
	}
	return failed
}

// leisureLocked reports whether the space of the files that are to go is not
// needed yet.
func (r *recycler) leisureLocked() bool {
	l := r.log
	return l.free.Load() > l.opt.ReserveBytes+plenty && l.used.Load()+int64(len(r.dropped))*l.opt.SegmentBytes <= l.opt.LeisureBytes
}

// shed takes a part off a file, or removes it.
func (r *recycler) shed(path string, whole bool) (gone bool, err error) {
	system := r.log.opt.FS
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

// bury renames released segments in the order they were given up, each durably
// before the next: a later segment may say what became of an earlier one's entries.
func (r *recycler) bury(reuse bool) error {
	opt := &r.log.opt
	for {
		r.mu.Lock()
		if len(r.retired) == 0 {
			r.mu.Unlock()
			return nil
		}
		s := r.retired[0]
		reuse := reuse && r.roomLocked() && max(s.size, s.end.Load()) <= opt.SegmentBytes
		r.mu.Unlock()
		name := s.path[:len(s.path)-len(live)] + dirty
		err := opt.FS.Rename(s.path, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = opt.FS.SyncDir(opt.Dir)
		}
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.retired = r.retired[1:]
		if reuse {
			r.dirty = append(r.dirty, s.spare(name, opt.SegmentBytes, opt.Now()))
		} else {
			r.dropped = append(r.dropped, name)
		}
		r.mu.Unlock()
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
func (r *recycler) roomLocked() bool {
	l, spares := r.log, int64(len(r.clean)+len(r.dirty)+r.wiping)
	return spares < maxSpares && l.free.Load() > l.opt.ReserveBytes+l.opt.SegmentBytes &&
		l.used.Load()+(spares+1)*l.opt.SegmentBytes <= l.opt.MaxBytes
}

// prepare overwrites spares, and makes one when there is none.
func (r *recycler) prepare() error {
	opt := &r.log.opt
	r.mu.Lock()
	fresh := !r.grow.Load() && len(r.clean)+len(r.dirty)+r.wiping == 0 && r.roomLocked()
	r.mu.Unlock()
	if fresh {
		path, err := r.create()
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.dirty = append(r.dirty, spare{path: path, size: opt.SegmentBytes})
		r.mu.Unlock()
	}
	for {
		now := opt.Now()
		r.mu.Lock()
		i := slices.IndexFunc(r.dirty, func(d spare) bool { return now.Sub(d.since) >= rest })
		if i < 0 {
			r.mu.Unlock()
			return nil
		}
		s := r.dirty[i]
		r.dirty = slices.Delete(r.dirty, i, i+1)
		r.wiping = 1
		r.mu.Unlock()
		name := s.path[:len(s.path)-len(dirty)] + clean
		err := r.wipe(s)
		if err == nil {
			err = opt.FS.Rename(s.path, name)
		}
		r.mu.Lock()
		r.wiping = 0
		if err == nil {
			r.clean = append(r.clean, name)
			r.nrdy.Add(1)
		} else {
			r.dropped = append(r.dropped, s.path)
		}
		r.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

var errClosing = errors.New("log is closing")

// create makes an empty spare.
func (r *recycler) create() (path string, err error) {
	path = filepath.Join(r.log.opt.Dir, fileName(0, rand.Uint64(), dirty))
	f, err := r.log.opt.FS.Create(path)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

var zeros [partBytes]byte

// wipe overwrites a spare with zeros, durably. It takes a quarter of the disk's
// time.
func (r *recycler) wipe(s spare) error {
	f, err := r.log.opt.FS.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.Size(); err == nil && n > r.log.opt.SegmentBytes { // of a group larger than a segment
		if err := f.Truncate(r.log.opt.SegmentBytes); err != nil {
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
		case <-r.log.done:
			return errClosing
		case <-time.After(3 * time.Since(start)):
		}
	}
	return nil
}
