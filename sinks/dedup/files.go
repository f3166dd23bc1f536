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
	perWrite  = 4096 // entries
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// files is the window on disk. One writer at a time.
type files struct {
	fs    disk.FS
	dir   string
	count int               // entries after which the window is written anew
	known func() []sinks.ID // the window, in order

	mu      sync.Mutex
	all     []uint64  // numbers, oldest first
	current disk.File // the last of all, open for appending; nil after a failure
	entries int       // of current
	since   int       // entries appended since the window was written
	missing bool      // some entries could not be written: the window must be, when that works
	again   int       // since which it is tried again
	buf     []byte
}

// openFiles reads every file, oldest first, into known and goes on in a new file
// that begins with all of it: what a crash has torn is not written to again, and
// restarts leave no trail of small files.
func openFiles(o Options, known *set) (*files, error) {
	f := &files{fs: o.FS, dir: filepath.Clean(o.Dir), count: o.Count, known: known.inOrder}
	listed, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("listing dedup directory: %w", err)
	}
	for _, e := range listed {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if n, err := strconv.ParseUint(name, 16, 64); ok && err == nil && len(name) == 16 {
			f.all = append(f.all, n)
		}
	}
	slices.SortFunc(f.all, cmp.Compare)
	for _, n := range f.all {
		f.read(n, known)
	}
	if len(f.all) > 0 {
		f.compact()
	}
	return f, nil
}

func (f *files) path(n uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%016x%s", n, extension))
}

// read puts the whole entries of a file into known. A torn end, a wrong checksum,
// and a file that cannot be read are damage.
func (f *files) read(n uint64, known *set) {
	file, err := f.fs.OpenRead(f.path(n))
	if err != nil {
		damaged.Inc()
		return
	}
	defer file.Close()
	buf := make([]byte, perWrite*entryLen)
	for {
		got, err := io.ReadFull(file, buf)
		for b := buf[:got]; len(b) > 0; b = b[min(entryLen, len(b)):] {
			if len(b) < entryLen || crc32.Checksum(b[:idLen], castagnoli) != binary.LittleEndian.Uint32(b[idLen:]) {
				damaged.Inc()
				continue
			}
			known.put(sinks.ID(b[:idLen]))
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return
		default:
			damaged.Inc()
			return
		}
	}
}

// append writes entries, and syncs them if asked to. After a failure the file is
// left behind, whatever is at its end.
func (f *files) append(ids []sinks.ID, sync bool) error {
	if len(ids) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since >= f.count {
		f.compact()
	}
	f.since += len(ids)
	if err := f.write(ids, sync); err != nil {
		failures.Inc()
		f.leave()
		f.missing = true
		return fmt.Errorf("keeping event ids: %w", err)
	}
	if f.missing && f.since >= f.again {
		f.compact() // a disk that takes some may take the whole window
	}
	return nil
}

// write appends entries to the current file, which it begins if there is none.
func (f *files) write(ids []sinks.ID, sync bool) error {
	if f.current == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(ids, perWrite) {
		f.buf = f.buf[:0]
		for i := range some {
			f.buf = append(f.buf, some[i][:]...)
			f.buf = binary.LittleEndian.AppendUint32(f.buf, crc32.Checksum(some[i][:], castagnoli))
		}
		n, err := f.current.Write(f.buf)
		if err == nil && n < len(f.buf) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		f.entries += len(some)
	}
	if sync {
		return f.current.Sync()
	}
	return nil
}

// begin begins the next file.
func (f *files) begin() error {
	var number uint64
	if n := len(f.all); n > 0 {
		number = f.all[n-1] + 1
	}
	file, err := f.fs.Create(f.path(number))
	if err != nil {
		return err
	}
	f.all, f.current, f.entries = append(f.all, number), file, 0
	return f.fs.SyncDir(f.dir)
}

// compact begins a file with the window as it is and removes the older ones: by
// age alone a source that sends much would push out the IDs of the others. Where
// that fails the older ones stay as they are, until it is time again.
func (f *files) compact() {
	f.since, f.again = 0, f.count/64
	if f.current != nil {
		_ = f.current.Close()
		f.current = nil
	}
	older := len(f.all)
	if err := f.write(f.known(), true); err != nil {
		failures.Inc()
		f.leave()
		f.missing = true
		return
	}
	f.missing = false
	for _, n := range f.all[:older] {
		_ = f.fs.Remove(f.path(n)) // one that stays is read once more
	}
	f.all = slices.Delete(f.all, 0, older)
}

// leave gives the current file up, and removes it if nothing was written to it.
func (f *files) leave() {
	if f.current == nil {
		return
	}
	_ = f.current.Close()
	f.current = nil
	if last := len(f.all) - 1; f.entries == 0 {
		_ = f.fs.Remove(f.path(f.all[last]))
		f.all = f.all[:last]
	}
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.missing {
		f.compact()
	}
	if f.current == nil {
		return nil
	}
	err := errors.Join(f.current.Sync(), f.current.Close())
	f.current = nil
	return err
}
