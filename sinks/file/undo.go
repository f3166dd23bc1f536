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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// undo is the record of the last group, overwritten by the next one's before that
// writes a line: which part of which files it is, and the IDs of its events. What
// it is for is a crash. A group that is whole by then is stored, though nobody may
// have been told, and its IDs are given to Committed, perhaps once more; one that
// is not is taken back from all its files, since its senders will repeat it.
//
//	length and CRC-32C of the rest, 4 bytes each, little-endian
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
	for _, p := range parts {
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
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if u.file == nil {
		var err error
		if u.file, err = opt.FS.Create(filepath.Join(opt.Dir, undoName)); err != nil {
			return err
		}
	}
	n, err := u.file.WriteAt(b, 0)
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

// extent is the part of a file that a group takes.
type extent struct {
	path          string
	before, after int64
}

// read returns an earlier process's record; none where it is torn.
func (u *undo) read(opt *Options) (extents []extent, ids []sinks.ID, err error) {
	f, err := opt.FS.OpenRead(filepath.Join(opt.Dir, undoName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, nil, err
	}
	if len(b) < 8 || uint64(len(b)-8) < uint64(binary.LittleEndian.Uint32(b)) {
		return nil, nil, nil
	}
	sum := binary.LittleEndian.Uint32(b[4:])
	if b = b[8 : 8+binary.LittleEndian.Uint32(b)]; crc32.Checksum(b, castagnoli) != sum {
		return nil, nil, nil
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
		extents = append(extents, e)
	}
	for ; len(b) >= len(sinks.ID{}); b = b[len(sinks.ID{}):] {
		ids = append(ids, sinks.ID(b))
	}
	return extents, ids, nil
}

// undoLast finishes what a crash interrupted: the last group is whole and durable
// afterwards, or gone. A file that is not there was closed after the group and then
// compressed or taken away, so Committed was told by the process that did.
func (s *Sink) undoLast() error {
	extents, ids, err := s.undo.read(&s.opt)
	if err != nil {
		return fmt.Errorf("reading undo record: %w", err)
	}
	whole, missing := true, false
	for _, e := range extents {
		size, err := s.trusted(e.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = true
		case err != nil:
			return fmt.Errorf("looking for the last group in %q: %w", e.path, err)
		default:
			whole = whole && size >= e.after
		}
	}
	for _, e := range extents {
		if err := s.finishExtent(e, whole); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("finishing the last group in %q: %w", e.path, err)
		}
	}
	if whole && !missing && len(ids) > 0 {
		s.opt.Committed(ids)
	}
	return s.undo.remove(&s.opt)
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
