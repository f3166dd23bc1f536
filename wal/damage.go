package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// quarantine is where raw bytes of damaged regions are kept, at most as many as a
// segment has: they hold personal data and nobody but the operator removes them.
const quarantine = "quarantine"

// damaged counts and reports a region, once, and keeps its bytes for inspection.
func (l *Log) damaged(s *segment, off, n int64) {
	s.looking.Lock()
	known := s.reported[off]
	if s.reported == nil {
		s.reported = map[int64]bool{}
	}
	s.reported[off] = true
	s.looking.Unlock()
	if known {
		return
	}
	damagedRegions.Inc()
	damagedBytes.AddInt64(n)
	if err := l.isolate(s, off, n); err != nil {
		errorsTotal.Inc()
	}
	l.opt.Damaged(Damage{Segment: s.number, Offset: off, Bytes: n})
}

// isolate copies a region into the quarantine, if there is room and it is not
// there from an earlier start.
func (l *Log) isolate(s *segment, off, n int64) error {
	system, dir := l.opt.FS, filepath.Join(l.opt.Dir, quarantine)
	if err := system.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	held, err := l.held(dir)
	if err != nil {
		return err
	}
	if held+n > l.opt.SegmentBytes || l.free.Load() < l.opt.ReserveBytes {
		return nil
	}
	src, err := system.OpenRead(s.path)
	if err != nil {
		return err
	}
	defer src.Close()
	bytes := make([]byte, n)
	got, err := src.ReadAt(bytes, off)
	if got == 0 {
		return err
	}
	dst, err := system.Create(filepath.Join(dir, fmt.Sprintf("%d-%d", s.number, off)))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = dst.WriteAt(bytes[:got], 0)
	return errors.Join(err, dst.Sync(), dst.Close(), system.SyncDir(dir), system.SyncDir(l.opt.Dir))
}

// held returns how many bytes are in quarantine.
func (l *Log) held(dir string) (n int64, err error) {
	entries, err := l.opt.FS.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		f, err := l.opt.FS.OpenRead(filepath.Join(dir, e.Name()))
		if err != nil {
			return 0, err
		}
		size, err := f.Size()
		f.Close()
		if err != nil {
			return 0, err
		}
		n += size
	}
	return n, nil
}
