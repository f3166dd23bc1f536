// Package disktest is a file system in memory that fails as disks do: its power
// can be cut, it fills up, its operations fail or hang, its bytes rot.
package disktest

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"assent/disk"
)

// Mem is a file system in memory. It keeps apart what is visible and what is
// durable, for the bytes of files and for the entries of directories. Safe for
// concurrent use.
type Mem struct {
	mu       sync.Mutex
	live     map[string]*inode
	durable  map[string]*inode
	locked   map[string]bool
	fault    func(op, path string) error
	short    bool
	capacity int64
	syncTime time.Duration
}

var _ disk.FS = (*Mem)(nil)

type inode struct {
	dir    bool
	data   []byte
	synced []byte
	lo, hi int // what was written since the last sync lies in data[lo:hi]
}

// wrote notes that data[from:to] is not durable.
func (n *inode) wrote(from, to int) {
	if n.lo == n.hi {
		n.lo, n.hi = from, to
	}
	n.lo, n.hi = min(n.lo, from), max(n.hi, to)
}

// New returns an empty file system whose syncs take 200 µs.
func New() *Mem {
	return &Mem{
		live: map[string]*inode{}, durable: map[string]*inode{}, locked: map[string]bool{},
		capacity: math.MaxInt64, syncTime: 200 * time.Microsecond,
	}
}

// SetFault makes each operation ask f first, which holds up the whole file
// system while it runs; an error is the operation's. A write that fails has
// written its first half. The operations are create (of Create and Append), open, rename, remove, mkdir,
// readdir, syncdir, lock, free, read, write, sync, size (of Size and Linked) and
// truncate. A nil f ends it.
func (m *Mem) SetFault(f func(op, path string) error) {
	m.mu.Lock()
	m.fault = f
	m.mu.Unlock()
}

// Hang makes every operation op on files whose names end so wait until release is
// called, and closes hung when the first one does.
func (m *Mem) Hang(op, suffix string) (hung <-chan struct{}, release func()) {
	reached, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.SetFault(func(o, path string) error {
		if o == op && strings.HasSuffix(path, suffix) {
			once.Do(func() { close(reached) })
			<-gate
		}
		return nil
	})
	return reached, func() { close(gate) }
}

// SetShort makes writes stop half way without an error.
func (m *Mem) SetShort(short bool) {
	m.mu.Lock()
	m.short = short
	m.mu.Unlock()
}

// SetCapacity lets files hold so many bytes in all; a write that needs more ends
// where space does, with ENOSPC.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	m.capacity = bytes
	m.mu.Unlock()
}

// SetSyncTime says how long the sync of a file takes, during which nothing else
// waits for it. Power can be lost during it and calls gather behind it.
func (m *Mem) SetSyncTime(d time.Duration) {
	m.mu.Lock()
	m.syncTime = d
	m.mu.Unlock()
}

// Put makes a file of data, and the directories above it, all durable.
func (m *Mem) Put(path string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &inode{data: slices.Clone(data), synced: slices.Clone(data)}
	m.live[path], m.durable[path] = n, n
	for dir := filepath.Dir(path); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
		if m.live[dir] == nil {
			m.live[dir] = &inode{dir: true}
			m.durable[dir] = m.live[dir]
		}
	}
}

// Flip inverts the bits of mask in one byte of a file, durably and unnoticed.
func (m *Mem) Flip(path string, off int64, mask byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.live[path]
	n.data[off] ^= mask
	if off < int64(len(n.synced)) {
		n.synced[off] ^= mask
	}
}

// Files returns the visible files whose paths end so, with their contents.
func (m *Mem) Files(suffix string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]string{}
	for path, n := range m.live {
		if !n.dir && strings.HasSuffix(path, suffix) {
			found[path] = string(n.data)
		}
	}
	return found
}

// at locks the file system and asks for the fault of an operation.
func (m *Mem) at(op, path string) (unlock func(), err error) {
	m.mu.Lock()
	if m.fault != nil {
		err = m.fault(op, path)
	}
	return m.mu.Unlock, err
}

// Create implements disk.FS.
func (m *Mem) Create(path string) (disk.File, error) { return m.create(path, false) }

// Append implements disk.FS.
func (m *Mem) Append(path string) (disk.File, error) { return m.create(path, true) }

func (m *Mem) create(path string, appends bool) (disk.File, error) {
	unlock, err := m.at("create", path)
	defer unlock()
	switch {
	case err != nil:
		return nil, err
	case m.live[path] != nil:
		return nil, fs.ErrExist
	case !m.hasParent(path):
		return nil, fs.ErrNotExist
	}
	m.live[path] = &inode{}
	return &file{fs: m, path: path, n: m.live[path], appends: appends}, nil
}

// hasParent reports whether the directory of path is there.
func (m *Mem) hasParent(path string) bool {
	parent := filepath.Dir(path)
	return parent == "." || parent == "/" || m.live[parent] != nil && m.live[parent].dir
}

// Open implements disk.FS.
func (m *Mem) Open(path string) (disk.File, error) { return m.open(path, false) }

// OpenRead implements disk.FS.
func (m *Mem) OpenRead(path string) (disk.File, error) { return m.open(path, true) }

func (m *Mem) open(path string, readOnly bool) (disk.File, error) {
	unlock, err := m.at("open", path)
	defer unlock()
	if err != nil {
		return nil, err
	}
	if m.live[path] == nil {
		return nil, fs.ErrNotExist
	}
	return &file{fs: m, path: path, n: m.live[path], readOnly: readOnly}, nil
}

// Rename implements disk.FS.
func (m *Mem) Rename(from, to string) error {
	unlock, err := m.at("rename", from)
	defer unlock()
	if err == nil && m.live[from] == nil {
		return fs.ErrNotExist
	}
	if err == nil {
		m.live[to] = m.live[from]
		delete(m.live, from)
	}
	return err
}

// Remove implements disk.FS.
func (m *Mem) Remove(path string) error {
	unlock, err := m.at("remove", path)
	defer unlock()
	if err == nil && m.live[path] == nil {
		return fs.ErrNotExist
	}
	if err == nil {
		delete(m.live, path)
	}
	return err
}

// Mkdir implements disk.FS.
func (m *Mem) Mkdir(path string) error {
	unlock, err := m.at("mkdir", path)
	defer unlock()
	switch {
	case err != nil:
		return err
	case m.live[path] != nil:
		return fs.ErrExist
	case !m.hasParent(path):
		return fs.ErrNotExist
	}
	m.live[path] = &inode{dir: true}
	return nil
}

// ReadDir implements disk.FS.
func (m *Mem) ReadDir(dir string) (entries []fs.DirEntry, err error) {
	dir = filepath.Clean(dir)
	unlock, err := m.at("readdir", dir)
	defer unlock()
	if err != nil {
		return nil, err
	}
	if dir != "." && m.live[dir] == nil {
		return nil, fs.ErrNotExist
	}
	for path, n := range m.live {
		if filepath.Dir(path) == dir {
			entries = append(entries, entry{filepath.Base(path), n.dir})
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// SyncDir implements disk.FS.
func (m *Mem) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	unlock, err := m.at("syncdir", dir)
	defer unlock()
	if err != nil {
		return err
	}
	for path := range m.durable {
		if filepath.Dir(path) == dir && m.live[path] == nil {
			delete(m.durable, path)
		}
	}
	for path, n := range m.live {
		if filepath.Dir(path) == dir {
			m.durable[path] = n
		}
	}
	return nil
}

// Lock implements disk.FS.
func (m *Mem) Lock(path string) (io.Closer, error) {
	unlock, err := m.at("lock", path)
	defer unlock()
	if err != nil {
		return nil, err
	}
	if m.locked[path] {
		return nil, errors.New("locked")
	}
	m.locked[path] = true
	return closer(func() { m.mu.Lock(); delete(m.locked, path); m.mu.Unlock() }), nil
}

// Free implements disk.FS.
func (m *Mem) Free(path string) (int64, error) {
	unlock, err := m.at("free", path)
	defer unlock()
	return m.free(), err
}

func (m *Mem) free() int64 {
	left := m.capacity
	for _, n := range m.live {
		left -= int64(len(n.data))
	}
	return max(0, left)
}

type closer func()

func (c closer) Close() error { c(); return nil }

type entry struct {
	name string
	dir  bool
}

func (e entry) Name() string             { return e.name }
func (e entry) IsDir() bool              { return e.dir }
func (entry) Type() fs.FileMode          { return 0 }
func (entry) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
