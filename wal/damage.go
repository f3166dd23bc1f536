package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"assent/disk"
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
	kept, err := Quarantined(system, l.opt.Dir)
	if err != nil {
		return err
	}
	held := int64(0)
	for _, d := range kept {
		held += d.Bytes
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

// torn counts and reports what a crash cut off.
func (l *Log) torn(s *segment, end, n int64) {
	if n <= 0 {
		return
	}
	tornBytes.AddInt64(n)
	l.opt.Torn(Damage{Segment: s.number, Offset: end, Bytes: n})
}

// Quarantined lists the regions whose bytes are kept beside the log in dir. It
// needs no Log; Bytes is what was kept of each.
func Quarantined(system disk.FS, dir string) (kept []Damage, err error) {
	dir = filepath.Join(dir, quarantine)
	entries, err := system.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var d Damage
		number, offset, _ := strings.Cut(e.Name(), "-")
		if d.Segment, err = strconv.ParseUint(number, 10, 64); err != nil {
			continue // none of the log's
		}
		if d.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil {
			continue
		}
		f, err := system.OpenRead(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		d.Bytes, err = f.Size()
		f.Close()
		if err != nil {
			return nil, err
		}
		kept = append(kept, d)
	}
	return kept, nil
}
