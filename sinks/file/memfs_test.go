package file

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// memFS is a file system in memory whose power can be cut: it keeps apart what
// is visible and what is durable, for the bytes of files and for the entries of
// directories.
type memFS struct {
	mu      sync.Mutex
	live    map[string]*inode
	durable map[string]*inode
	fault   func(op, path string) error // nil: nothing fails
	short   bool                        // writes stop half way and report no error
	locked  map[string]bool
}

type inode struct {
	dir    bool
	data   []byte
	synced []byte
}

func newMemFS() *memFS {
	return &memFS{live: map[string]*inode{}, durable: map[string]*inode{}, locked: map[string]bool{}}
}

// cut returns the file system as a machine might find it after losing power
// now: entries that were not synced are there or not, and of a file's bytes that
// were not synced some are there, torn or read as NULs.
func (m *memFS) cut(rng *rand.Rand) *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := newMemFS()
	found := map[*inode]*inode{}
	keep := func(path string, n *inode) {
		if n == nil {
			return
		}
		if found[n] == nil {
			data := append([]byte(nil), n.synced...)
			if len(n.data) > len(n.synced) {
				data = append(data, n.data[len(n.synced):len(n.synced)+rng.IntN(len(n.data)-len(n.synced)+1)]...)
				if tail := data[len(n.synced):]; len(tail) > 0 && rng.IntN(2) == 0 {
					clear(tail[rng.IntN(len(tail)):])
				}
			}
			found[n] = &inode{dir: n.dir, data: data, synced: data}
		}
		after.live[path], after.durable[path] = found[n], found[n]
	}
	for path, n := range m.live {
		if m.durable[path] == n || rng.IntN(2) == 0 {
			keep(path, n)
		} else {
			keep(path, m.durable[path])
		}
	}
	for path, n := range m.durable {
		if m.live[path] == nil && rng.IntN(2) == 0 {
			keep(path, n)
		}
	}
	for path := range after.live { // what is in a lost directory is lost
		for dir := filepath.Dir(path); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
			if after.live[dir] == nil {
				delete(after.live, path)
				delete(after.durable, path)
			}
		}
	}
	return after
}

func (m *memFS) setFault(f func(op, path string) error) {
	m.mu.Lock()
	m.fault = f
	m.mu.Unlock()
}

func (m *memFS) check(op, path string) error {
	if m.fault != nil {
		return m.fault(op, path)
	}
	return nil
}

// at locks the file system and applies the fault, if any, of an operation.
func (m *memFS) at(op, path string) (unlock func(), err error) {
	m.mu.Lock()
	return m.mu.Unlock, m.check(op, path)
}

func (m *memFS) Create(path string) (handle, error) {
	unlock, err := m.at("create", path)
	defer unlock()
	if err != nil {
		return nil, err
	}
	if m.live[path] != nil {
		return nil, fs.ErrExist
	}
	m.live[path] = &inode{}
	return &memFile{fs: m, path: path, n: m.live[path]}, nil
}

func (m *memFS) Open(path string) (handle, error) {
	unlock, err := m.at("open", path)
	defer unlock()
	if err != nil {
		return nil, err
	}
	if m.live[path] == nil {
		return nil, fs.ErrNotExist
	}
	return &memFile{fs: m, path: path, n: m.live[path]}, nil
}

func (m *memFS) Rename(from, to string) error {
	unlock, err := m.at("rename", from)
	defer unlock()
	if err == nil {
		m.live[to] = m.live[from]
		delete(m.live, from)
	}
	return err
}

func (m *memFS) Remove(path string) error {
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

func (m *memFS) Mkdir(path string) error {
	unlock, err := m.at("mkdir", path)
	defer unlock()
	switch parent := filepath.Dir(path); {
	case err != nil:
		return err
	case m.live[path] != nil:
		return fs.ErrExist
	case parent != "." && m.live[parent] == nil:
		return fs.ErrNotExist
	}
	m.live[path] = &inode{dir: true}
	return nil
}

func (m *memFS) ReadDir(dir string) (entries []fs.DirEntry, err error) {
	unlock, err := m.at("readdir", dir)
	defer unlock()
	for path, n := range m.live {
		if filepath.Dir(path) == dir {
			entries = append(entries, entry{filepath.Base(path), n.dir})
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

func (m *memFS) SyncDir(dir string) error {
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

func (m *memFS) Lock(path string) (io.Closer, error) {
	unlock, err := m.at("lock", path)
	defer unlock()
	if err == nil && m.locked[path] {
		err = errors.New("locked")
	}
	m.locked[path] = true
	return closer(func() { m.mu.Lock(); delete(m.locked, path); m.mu.Unlock() }), err
}

// files returns the visible files whose names end so, with their contents.
func (m *memFS) files(suffix string) map[string]string {
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

type memFile struct {
	fs   *memFS
	path string
	n    *inode
	off  int
}

func (f *memFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, int64(f.off))
	f.off += n
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	unlock, err := f.fs.at("read", f.path)
	defer unlock()
	if err != nil {
		return 0, err
	}
	n := copy(p, f.n.data[min(int(off), len(f.n.data)):])
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *memFile) Write(p []byte) (int, error) {
	unlock, err := f.fs.at("write", f.path)
	defer unlock()
	if err != nil || f.fs.short {
		p = p[:len(p)/2]
	}
	f.n.data = append(f.n.data, p...)
	return len(p), err
}

// Sync takes a moment, so that power is lost during it and calls gather behind
// it.
func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	n := len(f.n.data)
	f.fs.mu.Unlock()
	time.Sleep(200 * time.Microsecond)
	unlock, err := f.fs.at("sync", f.path)
	defer unlock()
	if err == nil {
		f.n.synced = append([]byte(nil), f.n.data[:min(n, len(f.n.data))]...)
	}
	return err
}

func (f *memFile) Size() (int64, error) {
	unlock, err := f.fs.at("size", f.path)
	defer unlock()
	return int64(len(f.n.data)), err
}

func (f *memFile) Truncate(size int64) error {
	unlock, err := f.fs.at("truncate", f.path)
	defer unlock()
	if err == nil {
		f.n.data = f.n.data[:size:size]
	}
	return err
}

func (f *memFile) Close() error { return nil }
