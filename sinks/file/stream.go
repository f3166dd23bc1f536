package file

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"assent/disk"
	"assent/sinks"
)

// A stream is one topic's folder.
type stream struct {
	sink  *Sink
	topic string
	dir   string
	work  chan []byte // what run is to write

	failed atomic.Pointer[sinks.Error] // why the last write failed; nil once one succeeded

	// Owned by the sink's writer, and by run while it works.
	file   disk.File // nil between files
	path   string
	size   int64 // all of it durable, but for what others appended
	opened time.Time
	err    error // of the last append
	sequence
}

// run appends for the sink's writer, so that the syncs of several topics overlap.
func (st *stream) run() {
	for buf := range st.work {
		st.err = st.append(buf)
		st.sink.syncs.Done()
	}
}

// prepare opens the file that takes so many bytes more.
func (st *stream) prepare(bytes int) error {
	if st.file != nil && !st.goesOn() {
		st.file.Close()
		st.file = nil
	}
	if st.file != nil && st.size+int64(bytes) > st.sink.opt.MaxFileBytes {
		st.finish()
	}
	if st.file == nil {
		return st.create()
	}
	return nil
}

// append writes lines at the end of the file and makes them durable.
func (st *stream) append(buf []byte) error {
	n, err := st.file.Write(buf)
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		start := time.Now()
		err = st.file.Sync()
		syncSeconds.Observe(int64(time.Since(start)))
	}
	if err == nil {
		err = st.holds(buf)
	}
	return err
}

// create opens the next file and makes its name durable. A folder that was removed is
// made anew.
func (st *stream) create() error {
	opt := &st.sink.opt
	now := opt.Now()
	path := filepath.Join(st.dir, st.next(now)+extension)
	f, err := opt.FS.Append(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = disk.MakeDir(opt.FS, st.dir); err == nil {
			f, err = opt.FS.Append(path)
		}
	}
	if err != nil {
		return err
	}
	if err := opt.FS.SyncDir(st.dir); err != nil {
		f.Close()
		opt.FS.Remove(path)
		return err
	}
	st.file, st.path, st.size, st.opened = f, path, 0, now
	return nil
}

// finish closes the file, whose every byte is durable, and hands it to the
// compressor if it is still there.
func (st *stream) finish() {
	if st.file == nil {
		return
	}
	_, err := st.file.Linked()
	st.file.Close()
	if err == nil {
		st.sink.compress(st.path)
	}
	st.file = nil
}

// abandon takes a group that failed out of its files, as far as they let it, and
// gives all of them up: once a sync has failed the kernel may have dropped the
// dirty pages and report success for the next one, and an undo record names a part
// of a file that was written once. What cannot be cut off, a sender's retry doubles.
func abandon(parts []*part) {
	for _, p := range parts { // all, before a file goes: a crash in between is recognized
		if size, err := p.file.Size(); err == nil && size > p.size {
			p.file.Truncate(p.size)
		}
	}
	for _, p := range parts {
		_, err := p.file.Linked()
		p.file.Close()
		if p.size == 0 && err == nil {
			p.sink.opt.FS.Remove(p.path)
		}
		p.file = nil
	}
}

// rest closes a file that is old enough, and after a failure tries whether the
// disk takes data again, because a node that is not ready gets no traffic to
// find out with.
func (st *stream) rest() {
	opt := &st.sink.opt
	if st.file != nil && opt.Now().Sub(st.opened) >= opt.MaxFileAge {
		st.finish()
	}
	if st.failed.Load() != nil && st.sink.probe(st.dir, probeBytes) == nil {
		st.failed.Store(nil)
	}
}

// reason classifies an error of the operating system.
func reason(err error) sinks.Reason {
	if errors.Is(err, errReserve) || disk.IsFull(err) {
		return sinks.ReasonDiskFull
	}
	return sinks.ReasonIO
}
