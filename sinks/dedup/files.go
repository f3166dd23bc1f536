package dedup

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"assent/disk"
	"assent/sinks"
)

const (
	extension = ".ids"
	idLen     = len(sinks.ID{})
	entryLen  = idLen + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// files is the window on disk. One writer at a time.
type files struct {
	fs    disk.FS
	dir   string
	count int // entries after which a file is full

	mu      sync.Mutex
	all     []part    // oldest first
	current disk.File // the last of all, open for appending; nil after a failure
	buf     []byte
}

// part is one file.
type part struct {
	number  uint64
	entries int
}

// openFiles reads every file, oldest first, into known and goes on in a new file
// that begins with all of it: what a crash has torn is not written to again, and
// restarts leave no trail of small files.
func openFiles(o Options, known *set) (*files, error) {
	f := &files{fs: o.FS, dir: filepath.Clean(o.Dir), count: o.Count}
	listed, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("listing dedup directory: %w", err)
	}
	for _, e := range listed {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if n, err := strconv.ParseUint(name, 16, 64); ok && err == nil && len(name) == 16 {
			f.all = append(f.all, part{number: n})
		}
	}
	slices.SortFunc(f.all, func(a, b part) int { return cmp.Compare(a.number, b.number) })
	for i := range f.all {
		f.all[i].entries = f.read(f.all[i].number, known)
	}
	if len(f.all) > 0 && f.append(known.inOrder(), true) == nil { // failing, it leaves the old files as they are
		f.drop(len(f.all) - 1)
		f.buf = nil // as large as the window
	}
	return f, nil
}

func (f *files) path(n uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%016x%s", n, extension))
}

// read puts the whole entries of a file into known and returns their number. A
// torn end, a wrong checksum, and a file that cannot be read are damage.
func (f *files) read(n uint64, known *set) (entries int) {
	file, err := f.fs.OpenRead(f.path(n))
	if err != nil {
		damaged.Inc()
		return 0
	}
	defer file.Close()
	buf := make([]byte, 4096*entryLen)
	for {
		got, err := io.ReadFull(file, buf)
		for b := buf[:got]; len(b) > 0; b = b[min(entryLen, len(b)):] {
			if len(b) < entryLen || crc32.Checksum(b[:idLen], castagnoli) != binary.LittleEndian.Uint32(b[idLen:]) {
				damaged.Inc()
				continue
			}
			known.put(sinks.ID(b[:idLen]))
			entries++
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return entries
		default:
			damaged.Inc()
			return entries
		}
	}
}

// append writes entries with one write, and syncs them if told to. After a
// failure the file is left behind, whatever is at its end.
func (f *files) append(ids []sinks.ID, sync bool) error {
	if len(ids) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf = f.buf[:0]
	for i := range ids {
		f.buf = append(f.buf, ids[i][:]...)
		f.buf = binary.LittleEndian.AppendUint32(f.buf, crc32.Checksum(ids[i][:], castagnoli))
	}
	err := f.write(len(ids), sync)
	if err != nil {
		failures.Inc()
		f.leave()
		return fmt.Errorf("keeping event ids: %w", err)
	}
	return nil
}

func (f *files) write(entries int, sync bool) error {
	if f.current == nil || f.last().entries >= f.count {
		if err := f.roll(); err != nil {
			return err
		}
	}
	n, err := f.current.Write(f.buf)
	if err == nil && n < len(f.buf) {
		err = io.ErrShortWrite
	}
	if err == nil && sync {
		err = f.current.Sync()
	}
	if err != nil {
		return err
	}
	f.last().entries += entries
	f.retire()
	return nil
}

func (f *files) last() *part { return &f.all[len(f.all)-1] }

// roll begins the next file.
func (f *files) roll() error {
	var number uint64
	if len(f.all) > 0 {
		number = f.last().number + 1
	}
	if f.current != nil {
		if err := f.current.Sync(); err != nil {
			return err
		}
		if err := f.current.Close(); err != nil {
			return err
		}
		f.current = nil
	}
	file, err := f.fs.Create(f.path(number))
	if err != nil {
		return err
	}
	f.all, f.current = append(f.all, part{number: number}), file
	return f.fs.SyncDir(f.dir)
}

// retire removes the oldest files, as far as those that follow fill the window.
func (f *files) retire() {
	following := 0
	for i := len(f.all) - 1; i > 0; i-- {
		if following += f.all[i].entries; following >= f.count {
			f.drop(i)
			return
		}
	}
}

// drop removes the n oldest files. One that stays is read once more.
func (f *files) drop(n int) {
	for _, p := range f.all[:n] {
		_ = f.fs.Remove(f.path(p.number))
	}
	f.all = slices.Delete(f.all, 0, n)
}

// leave gives the current file up, and removes it if nothing was written to it.
func (f *files) leave() {
	if f.current == nil {
		return
	}
	_ = f.current.Close()
	f.current = nil
	if f.last().entries == 0 {
		_ = f.fs.Remove(f.path(f.last().number))
		f.all = f.all[:len(f.all)-1]
	}
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return nil
	}
	err := errors.Join(f.current.Sync(), f.current.Close())
	f.current = nil
	return err
}
