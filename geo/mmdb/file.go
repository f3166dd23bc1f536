package mmdb

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// file is a database's place on disk and what was last read from there.
type file struct {
	path string
	schema
	seen os.FileInfo // of the last attempt to read it; nil: missing
}

// changed reports, once, whether the file on disk is another than the one last read. A
// missing one is an error once, until it is back.
func (f *file) changed() (bool, error) {
	stat, err := os.Stat(f.path)
	if err != nil {
		reported := f.seen == nil
		f.seen = nil
		if reported {
			return false, nil
		}
		return false, fmt.Errorf("reading geo database: %w", err)
	}
	if same(f.seen, stat) {
		return false, nil
	}
	f.seen = stat
	return true, nil
}

// read loads the whole file. It is not mapped: a mapped file that somebody overwrites
// in place changes under the reader, or ends the process when it is truncated.
func (f *file) read() (*database, error) {
	data, err := f.load()
	if err != nil {
		return nil, fmt.Errorf("reading geo database: %w", err)
	}
	db, err := newDatabase(data, f.schema)
	if err != nil {
		return nil, fmt.Errorf("opening geo database %s: %w", f.path, err)
	}
	return db, nil
}

func (f *file) load() (data []byte, err error) {
	h, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer h.Close() //nolint:errcheck // only read from
	before, err := h.Stat()
	if err != nil {
		return nil, err
	}
	f.seen = before
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f.path)
	}
	data = make([]byte, before.Size())
	if _, err := io.ReadFull(h, data); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	after, err := h.Stat()
	if err != nil {
		return nil, err
	}
	if !same(before, after) {
		return nil, errors.New(f.path + " changed while it was read")
	}
	return data, nil
}

func same(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
