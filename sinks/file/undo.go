package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"assent/disk"
	"assent/sinks"
)

// undoName is the file that holds the undo record.
const undoName = ".undo"

// sumOffset is where the checksum begins in it.
const sumOffset = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// undo is the record of the last group, overwritten by the next one's before that
// writes a line: which part of which files it is, and the IDs of its events. After
// a crash a group that is whole, or was marked as acknowledged, counts as stored, even
// if no caller heard of it, and its IDs are given to Committed, perhaps once more. Any
// other group is taken back from all its files, because its senders will repeat it.
// Without the mark, a file that somebody cut or took away after its last group would cost
// the neighbours of its lines in other files.
//
//	length and CRC-32C of the rest, 4 bytes each, little-endian; the first byte of
//	the CRC is inverted once the group is acknowledged
//	number of files; of each: length of the path, path, size before, size after (uvarint)
//	IDs, 16 bytes each
//
// It is not synced. kill -9 takes nothing of it. After power loss it may be an
// older one, of a group that was whole; or torn, and then the IDs of the last
// moments are forgotten.
type undo struct {
	file disk.File // nil until the first group
	buf  []byte
}

func (u *undo) write(opt *Options, parts []*part, ids []sinks.ID) error {
	b := append(u.buf[:0], make([]byte, 8)...)
	b = binary.AppendUvarint(b, uint64(len(parts)))
	made := false
	for _, p := range parts {
		made = made || p.size == 0
		name := p.path[len(p.dir):] // with its slash
		b = binary.AppendUvarint(b, uint64(len(p.topic)+len(name)))
		b = append(append(b, p.topic...), name...)
		b = binary.AppendUvarint(b, uint64(p.size))
		b = binary.AppendUvarint(b, uint64(p.size)+uint64(len(p.buf)))
	}
	for i := range ids {
		b = append(b, ids[i][:]...)
	}
	u.buf = b
	binary.LittleEndian.PutUint32(b, uint32(len(b)-8))
	binary.LittleEndian.PutUint32(b[sumOffset:], crc32.Checksum(b[8:], castagnoli))
	if made && u.file != nil { // the folder may be a new one
		if _, err := u.file.Linked(); err != nil {
			if err := u.remove(opt); err != nil {
				return err
			}
		}
	}
	if u.file == nil {
		var err error
		if u.file, err = opt.FS.Create(filepath.Join(opt.Dir, undoName)); err != nil {
			return err
		}
	}
	return u.writeAt(b, 0)
}

// done marks the group that was written as acknowledged, by inverting a byte of its
// checksum.
func (u *undo) done() error {
	u.buf[sumOffset] ^= 0xff
	return u.writeAt(u.buf[sumOffset:sumOffset+1], sumOffset)
}

func (u *undo) writeAt(b []byte, at int64) error {
	n, err := u.file.WriteAt(b, at)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// remove forgets the record.
func (u *undo) remove(opt *Options) error {
	if u.file != nil {
		u.file.Close()
		u.file = nil
	}
	if err := opt.FS.Remove(filepath.Join(opt.Dir, undoName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing undo record: %w", err)
	}
	return nil
}

// last is an undo record that was read.
type last struct {
	extents []extent
	ids     []sinks.ID
	done    bool // acknowledged
}

// extent is the part of a file that a group takes.
type extent struct {
	path          string
	before, after int64
}

// read returns an earlier process's record; none where it is torn.
func (u *undo) read(opt *Options) (l last, err error) {
	f, err := opt.FS.OpenRead(filepath.Join(opt.Dir, undoName))
	if errors.Is(err, fs.ErrNotExist) {
		return last{}, nil
	}
	if err != nil {
		return last{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return last{}, err
	}
	if len(b) < 8 || uint64(len(b)-8) < uint64(binary.LittleEndian.Uint32(b)) {
		return last{}, nil
	}
	sum := binary.LittleEndian.Uint32(b[sumOffset:])
	b = b[8 : 8+binary.LittleEndian.Uint32(b)]
	switch crc32.Checksum(b, castagnoli) ^ sum {
	case 0:
	case 0xff:
		l.done = true
	default:
		return last{}, nil
	}
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		return v
	}
	for range number() {
		n := min(number(), uint64(len(b)))
		e := extent{path: filepath.Join(opt.Dir, string(b[:n]))}
		b = b[n:]
		e.before, e.after = int64(number()), int64(number())
		l.extents = append(l.extents, e)
	}
	for ; len(b) >= len(sinks.ID{}); b = b[len(sinks.ID{}):] {
		l.ids = append(l.ids, sinks.ID(b))
	}
	return l, nil
}

// undoLast finishes what a crash interrupted: the last group is whole and durable
// afterwards, or gone.
func (s *Sink) undoLast() error {
	l, err := s.undo.read(&s.opt)
	if err != nil {
		return fmt.Errorf("reading undo record %q: %w", filepath.Join(s.opt.Dir, undoName), err)
	}
	if !l.done {
		whole, missing, err := s.whole(l.extents)
		if err != nil {
			return err
		}
		for _, e := range l.extents {
			if err := s.finishExtent(e, whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("finishing the last group in %q: %w", e.path, err)
			}
		}
		l.done = whole && !missing
	}
	if l.done && len(l.ids) > 0 {
		s.opt.Committed(l.ids)
	}
	return s.undo.remove(&s.opt)
}

// whole reports whether all of a group is there, as far as its files are. A missing
// file does not count against the group: after power loss the record may be an older
// one, and a file of its group compressed or taken away since. For the same reason a
// file that goes on after the group speaks for it: no group begins before the last is
// acknowledged.
func (s *Sink) whole(extents []extent) (whole, missing bool, err error) {
	short, later := false, false
	for _, e := range extents {
		size, err := s.trusted(e.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = true
		case err != nil:
			return false, false, fmt.Errorf("looking for the last group in %q: %w", e.path, err)
		default:
			short = short || size < e.after
			later = later || size > e.after
		}
	}
	return later || !short, missing, nil
}

// trusted is the size of the trustworthy part of a file.
func (s *Sink) trusted(path string) (int64, error) {
	f, err := s.opt.FS.OpenRead(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	return completeLines(f, size, int64(s.opt.MaxPendingBytes))
}

// finishExtent makes a group's part of a file durable, or takes it back.
func (s *Sink) finishExtent(e extent, whole bool) error {
	f, err := s.opt.FS.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size <= e.before {
		return err
	}
	if !whole {
		if err := f.Truncate(e.before); err != nil {
			return err
		}
		s.cut(e.path, size-e.before)
	}
	return f.Sync()
}
