package wal

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"assent/disk"
)

const (
	// tick is how often the file system's space is looked at, and how often a
	// log that failed tries the disk again.
	tick = time.Second
	// enough bytes are written without waiting for callers that may bring more.
	enough = 128 << 10
	// minAge is how old a segment gets before Rotate ends it.
	minAge = time.Minute
)

// A writer is the segment being written.
type writer struct {
	*segment // nil between segments
	file     disk.File
	entries  uint32
	groups   int64
}

var zeroPage [pageBytes]byte

// run writes group after group until the log is closed and empty. While it syncs
// one, the next one fills.
func (l *Log) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-l.woken:
		case <-ticker.C:
			l.measure()
			l.recover()
			l.renew()
		}
		if l.rotate.Swap(false) {
			l.turn()
		}
		for {
			// Callers that are ready to run join this group: fewer, larger groups
			// cost less, and an idle machine does not wait.
			if l.pending() < enough {
				runtime.Gosched()
			}
			g, closed := l.take()
			if g == nil {
				if closed {
					l.end(true)
					return
				}
				break
			}
			err := l.commit(g)
			l.finish(g, err)
			if err != nil && closed { // what is carried cannot be written any more
				l.end(false)
				return
			}
		}
	}
}

// commit makes a group durable, behind what is carried from groups that failed.
func (l *Log) commit(g *group) error {
	buf := g.buf
	if len(l.carry) > 0 {
		buf = slices.Concat(l.carry, g.buf)
	}
	if a := &l.active; a.segment == nil || a.grows && l.recycler.ready() ||
		a.end.Load()+int64(len(buf)) > l.opt.SegmentBytes && a.entries > 0 {
		if err := l.begin(); err != nil {
			return err
		}
	}
	a := &l.active
	from := a.end.Load()
	n := seal(buf, a.entries, uint32(from), a.nonce)
	end := from + int64(len(buf))
	// Whole pages, so that none of a file that is overwritten must first be read.
	out := append(buf, zeroPage[:pageUp(end)-end]...)
	if len(l.carry) == 0 {
		g.buf = out[:len(buf)]
	}
	wrote, err := a.file.WriteAt(out, from)
	if err == nil && wrote < len(out) {
		err = io.ErrShortWrite
	}
	if err == nil {
		start := time.Now()
		err = a.file.Sync()
		syncSeconds.Observe(int64(time.Since(start)))
	}
	if err != nil {
		a.failed = true
		l.end(false)
		return err
	}
	if a.entries == 0 {
		a.born.Store(l.opt.Now().UnixMilli())
	}
	a.entries += n
	a.groups++
	a.counted.Lock()
	a.used += int64(len(buf))
	a.counted.Unlock()
	a.end.Store(end)
	groupsTotal.Inc()
	entriesTotal.Add(int(n))
	for _, c := range *l.cursors.Load() {
		c.wake()
	}
	return nil
}

// begin ends the segment being written and starts the next one. The old one is
// final from then on even if that fails, because a header that names its end may
// have reached the disk.
func (l *Log) begin() error {
	h := header{number: l.next, nonce: rand.Uint64(), created: l.opt.Now().UnixMilli()}
	l.next++
	l.end(false)
	if segments := *l.segments.Load(); len(segments) > 0 {
		if last := segments[len(segments)-1]; last.number >= l.boot {
			h.before, h.end = last.number, last.end.Load()
		}
	}
	s := &segment{
		number: h.number, nonce: h.nonce, created: h.created, used: headerBytes,
		path: filepath.Join(l.opt.Dir, fileName(h.number, h.nonce, live)),
	}
	s.end.Store(headerBytes)
	file, err := l.recycler.claim(s)
	if err != nil {
		return err
	}
	page := make([]byte, pageBytes)
	appendHeader(page[:0], &h)
	n, err := file.WriteAt(page, 0)
	if err == nil && n < len(page) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = l.opt.FS.SyncDir(l.opt.Dir)
	}
	if err != nil {
		file.Close()
		l.recycler.drop(s.path)
		return err
	}
	l.used.Add(headerBytes)
	l.active = writer{segment: s, file: file}
	l.tables.Lock()
	defer l.tables.Unlock()
	segments := append(slices.Clone(*l.segments.Load()), s)
	l.segments.Store(&segments)
	return nil
}

// end makes the segment being written final, if there is one. One without an
// entry leaves no trace, except at the log's end, where it keeps the numbers
// ascending.
func (l *Log) end(closing bool) {
	a := l.active
	if a.segment == nil {
		return
	}
	l.active = writer{}
	l.recycler.grow.Store(a.end.Load() > largeGroup*max(a.groups, 1))
	switch end := a.end.Load(); {
	case closing || end < l.opt.SegmentBytes/2:
		a.file.Truncate(end) // its space serves others meanwhile
		a.grows = true
	case a.stale:
		for off := pageUp(end); off < l.opt.SegmentBytes; off += partBytes {
			a.file.WriteAt(zeros[:min(partBytes, l.opt.SegmentBytes-off)], off)
		}
	}
	a.file.Close()
	a.final.Store(true)
	if a.entries > 0 || closing {
		for _, c := range *l.cursors.Load() {
			c.wake()
		}
		return
	}
	l.tables.Lock()
	defer l.tables.Unlock()
	segments := slices.Clone(*l.segments.Load())
	if i := slices.Index(segments, a.segment); i >= 0 {
		l.retireLocked(a.segment)
		segments = slices.Delete(segments, i, i+1)
		l.segments.Store(&segments)
		l.recycler.wake()
	}
}

// turn ends a segment that is old enough.
func (l *Log) turn() {
	a := &l.active
	if a.segment == nil || a.entries == 0 || l.opt.Now().Sub(time.UnixMilli(a.born.Load())) < minAge {
		return
	}
	if err := l.begin(); err != nil {
		l.fail(err)
	}
}

// renew ends a segment that leaves a former life's bytes where they are.
func (l *Log) renew() {
	if a := &l.active; a.segment == nil || !a.stale || l.opt.Now().Sub(time.UnixMilli(a.created)) < maxStale {
		return
	}
	if err := l.begin(); err != nil {
		l.fail(err)
	}
}

// fail remembers why the log cannot be written and returns it, classified.
func (l *Log) fail(err error) error {
	if disk.IsFull(err) {
		err = fmt.Errorf("writing log %q: %w: %w", l.opt.Dir, ErrFull, err)
	} else {
		err = fmt.Errorf("writing log %q: %w", l.opt.Dir, err)
	}
	errorsTotal.Inc()
	l.failed.Store(&err)
	return err
}

// recover tries the disk again after a failure, because a node that is not ready
// gets no traffic to find out with.
func (l *Log) recover() {
	if l.failed.Load() == nil {
		return
	}
	err := l.roomy()
	if err == nil && l.active.segment == nil {
		err = l.begin()
	}
	if err != nil {
		l.fail(err)
		return
	}
	l.recovered()
	if len(l.carry) > 0 {
		l.ring()
	}
}

// measure asks how much space is left. Where the file system does not say, only a
// failed write shows it.
func (l *Log) measure() {
	if n, err := l.opt.FS.Free(l.opt.Dir); err == nil {
		l.free.Store(n)
	}
}
