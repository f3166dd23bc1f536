package wal

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Log is an open log. Safe for concurrent use.
type Log struct {
	opt      Options
	lock     io.Closer
	boot     uint64
	recycler recycler

	woken   chan struct{} // capacity 1: there may be something to do for run
	done    chan struct{} // closed when Close was called
	drained chan struct{} // closed when all is written and released
	running sync.WaitGroup

	used   atomic.Int64 // bytes in segments not released, and waiting
	free   atomic.Int64 // what the file system had left when it was last asked
	rotate atomic.Bool
	failed atomic.Pointer[error] // why the last write failed; nil once one succeeded

	mu       sync.Mutex
	closed   bool
	filling  *group // never nil
	idle     []*group
	buffers  [][]byte
	carried  int         // bytes of carry
	due      bool        // notes have waited long enough
	timer    *time.Timer // makes them due
	segments atomic.Pointer[[]*segment]
	cursors  atomic.Pointer[[]*Cursor]
	tables   sync.Mutex // held to change segments and cursors

	// Owned by run.
	active writer
	next   uint64 // number of the next segment
	carry  []byte // notes of groups that failed
	lacked int64  // bytes of the largest group that failed since the log failed
}

// Open locks opt.Dir and opens the log in it. What an earlier process left can be
// read and is never written again. Damage never fails it, and neither does a full
// disk: what is there can still be read and released. It is quick: no segment is
// scanned.
func Open(opt Options) (*Log, error) {
	opt.EnsureDefaults()
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("reading log options: %w", err)
	}
	opt.Dir = filepath.Clean(opt.Dir)
	if err := makeDir(&opt); err != nil {
		return nil, err
	}
	lock, err := opt.FS.Lock(filepath.Join(opt.Dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("locking log directory %q (is another process using it?): %w", opt.Dir, err)
	}
	l := &Log{
		opt: opt, lock: lock,
		woken: make(chan struct{}, 1), done: make(chan struct{}), drained: make(chan struct{}),
	}
	l.recycler.open(l)
	segments, err := l.find()
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("reading log directory %q: %w", opt.Dir, err)
	}
	l.boot = 1
	if n := len(segments); n > 0 {
		l.boot = segments[n-1].number + 1
	}
	l.next = l.boot
	l.segments.Store(&segments)
	l.cursors.Store(new([]*Cursor))
	l.free.Store(math.MaxInt64)
	l.filling = l.freshLocked()
	l.timer = time.AfterFunc(time.Hour, l.ring)
	l.timer.Stop()
	l.measure()
	if err := l.begin(); err != nil {
		l.fail(err)
	}
	l.running.Go(l.run)
	l.running.Go(l.recycler.run)
	opened.add(l)
	return l, nil
}

// Append writes entries and returns when they are durable. After a crash all of
// them are there or none. On error none counts as written, but after a crash they
// may be there nevertheless. The slices are the caller's again when it returns.
//
// Errors are ErrFull, ErrOverloaded, ErrClosed or the disk's, wrapped.
func (l *Log) Append(entries ...[]byte) error {
	g, err := l.join(entries, false)
	if g == nil {
		return err
	}
	g.done.Wait()
	err = g.err
	l.leave(g)
	return err
}

// Note writes entries like Append but does not wait: they stand in the log in
// order of the calls, and are durable with the next group, which begins within a
// few milliseconds. When that group fails they are written with the next one that
// does not, so only a crash loses them.
func (l *Log) Note(entries ...[]byte) error {
	_, err := l.join(entries, true)
	return err
}

// Boot returns the number of the first segment that this Log may write; lower
// ones were left by earlier processes.
func (l *Log) Boot() uint64 { return l.boot }

// First returns the number of the oldest segment that is not released.
func (l *Log) First() uint64 {
	if segments := *l.segments.Load(); len(segments) > 0 {
		return segments[0].number
	}
	return l.boot
}

// Rotate ends the segment being written, if its first entry is older than a
// minute, so that it can be released. It does not wait for that.
func (l *Log) Rotate() {
	l.rotate.Store(true)
	l.wake()
}

// Release gives up the segments below before, but for the one being written.
// They are overwritten for reuse or removed, oldest first, in the background;
// after a crash the last of them may be there again.
func (l *Log) Release(before uint64) {
	l.tables.Lock()
	defer l.tables.Unlock()
	segments := *l.segments.Load()
	n := 0
	for n < len(segments) && segments[n].number < before && segments[n].final.Load() {
		l.retireLocked(segments[n])
		n++
	}
	if n > 0 {
		rest := slices.Clone(segments[n:])
		l.segments.Store(&rest)
		l.recycler.wake()
	}
}

// Drop gives up one segment, whatever its place in the order, like Release. The
// newest stays, so that the numbers ascend, and so does the one being written.
// Files lose their names in the order in which their segments were given up: a
// crash leaves what some of the calls, from the first one on, would have left.
func (l *Log) Drop(number uint64) {
	l.tables.Lock()
	defer l.tables.Unlock()
	segments := *l.segments.Load()
	var rest []*segment
	for i, s := range segments {
		if s.number == number && i < len(segments)-1 && s.final.Load() {
			l.retireLocked(s)
		} else {
			rest = append(rest, s)
		}
	}
	if len(rest) < len(segments) {
		l.segments.Store(&rest)
		l.recycler.wake()
	}
}

// Holds reports whether a segment is there and not given up.
func (l *Log) Holds(number uint64) bool {
	_, found := slices.BinarySearchFunc(*l.segments.Load(), number, func(s *segment, n uint64) int {
		return cmp.Compare(s.number, n)
	})
	return found
}

// retireLocked hands a segment that is no longer in the table to the recycler. The
// caller holds tables.
func (l *Log) retireLocked(s *segment) {
	s.retired.Store(true)
	s.counted.Lock()
	l.used.Add(-s.used)
	s.used = 0
	s.counted.Unlock()
	l.recycler.retire(s)
}

// Usage is what the log holds.
type Usage struct {
	Bytes    int64     // in segments that are not released, and waiting
	Segments int       // that are not released
	Oldest   time.Time // no later than their oldest entry; zero: there is none
}

// Usage returns what the log holds.
func (l *Log) Usage() Usage {
	segments := *l.segments.Load()
	u := Usage{Bytes: l.used.Load(), Segments: len(segments)}
	for _, s := range segments {
		if born := s.born.Load(); born != 0 {
			u.Oldest = time.UnixMilli(born)
			break
		}
	}
	return u
}

// Ready returns nil when an Append may be expected to succeed. After a failure it
// returns nil again without any traffic, once the file system reports room for as
// much as was refused: a full disk still takes small writes, and Ready must not
// change with each of them. Under a quota, which file systems do not report, it may.
func (l *Log) Ready() error {
	select {
	case <-l.done:
		return ErrClosed
	default:
	}
	if err := l.failed.Load(); err != nil {
		return *err
	}
	if l.full(l.opt.SegmentBytes/8, false) {
		return ErrFull
	}
	return nil
}

// roomy returns an error while the file system has less, beside the reserve, than
// was refused or than Ready promises. Writing as much to find out would take the last
// of the space from others.
func (l *Log) roomy() error {
	need := max(l.lacked, l.opt.SegmentBytes/8) + l.opt.ReserveBytes
	if free := l.free.Load(); free < need {
		return fmt.Errorf("%d bytes are free and %d are needed: %w", free, need, syscall.ENOSPC)
	}
	return nil
}

// recovered ends a failure.
func (l *Log) recovered() {
	l.failed.Store(nil)
	l.lacked = 0
}

// full reports whether size more bytes are too many.
func (l *Log) full(size int64, note bool) bool {
	limit, reserve := l.opt.MaxBytes, l.opt.ReserveBytes
	if note {
		limit, reserve = limit+l.opt.SegmentBytes, reserve/2
	}
	return l.used.Load()+size > limit || l.free.Load() < reserve
}

// Close refuses new entries, writes those that wait, and lets go of the
// directory. It returns early with ctx's error when ctx ends first. Calling it
// again is harmless.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.done)
		l.wake()
		go func() {
			l.running.Wait()
			l.recycler.close()
			l.lock.Close()
			opened.remove(l)
			close(l.drained)
		}()
	}
	select {
	case <-l.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing log %q: %w", l.opt.Dir, ctx.Err())
	}
}

func (l *Log) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}
