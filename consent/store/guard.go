package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	filePerm = 0o600 // personal data: for the user alone who runs the process
	dirPerm  = 0o700
)

// guard is the file system as one database sees it. Once shut, nothing that changes
// the disk begins any more, and once it is quiet too, nothing is under way: whoever
// hangs in that database can do no harm to the next one on the same directory.
type guard struct {
	vfs.FS
	after func(time.Duration) <-chan time.Time
	// failures are flushes and compactions that failed since the last good one. Pebble
	// begins them anew at once, so the next table waits.
	failures atomic.Int32

	ops    atomic.Int64 // under way
	closed chan struct{}
	once   sync.Once
	lock   atomic.Pointer[onceCloser]
	// A log that fails while Pebble begins the next one ends the process: Pebble
	// panics without the lock that the panic then releases. So from when the database
	// is open until it closes, who meets that failure gives up and sleeps for good.
	open   atomic.Bool
	giveUp func()
}

var errShut = errors.New("consent store: the database was given up")

func newGuard(fs vfs.FS, after func(time.Duration) <-chan time.Time, giveUp func()) *guard {
	return &guard{FS: fs, after: after, closed: make(chan struct{}), giveUp: giveUp}
}

func (g *guard) shut() { g.once.Do(func() { close(g.closed) }) }

// quiet reports whether nothing is under way; of use after shut only.
func (g *guard) quiet() bool { return g.ops.Load() == 0 }

// unlock lets the directory go, whether the database was closed or hangs.
func (g *guard) unlock() {
	if l := g.lock.Load(); l != nil {
		_ = l.Close()
	}
}

// do runs what changes the disk. It counts before it looks, shut is before quiet:
// one of the two sees the other.
func (g *guard) do(f func() error) error {
	g.ops.Add(1)
	defer g.ops.Add(-1)
	select {
	case <-g.closed:
		return errShut
	default:
		return f()
	}
}

const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pause waits before a table is begun after another one failed. For a database that was
// given up it never ends: Pebble would begin its last table for ever.
func (g *guard) pause(name string) {
	if !strings.HasSuffix(name, ".sst") {
		return
	}
	if n := g.failures.Load(); n > 0 {
		select {
		case <-g.after(min(firstPause<<min(n-1, 10), lastPause)):
		case <-g.closed:
		}
	}
	select {
	case <-g.closed:
		select {}
	default:
	}
}

// worked notes how a flush or a compaction ended.
func (g *guard) worked(ok bool) {
	if ok {
		g.failures.Store(0)
	} else {
		g.failures.Add(1)
	}
}

// log keeps a failure of the log from Pebble.
func (g *guard) log(name string, err error) error {
	if err != nil && g.open.Load() && strings.HasSuffix(name, ".log") {
		g.giveUp()
		select {}
	}
	return err
}

// private takes a new file away from everybody else.
func (g *guard) private(name string) error {
	if vfs.Root(g.FS) != vfs.Default {
		return nil
	}
	return os.Chmod(name, filePerm)
}

// file runs what makes a file, which is private before anything is in it.
func (g *guard) file(name string, f func() (vfs.File, error)) (out vfs.File, err error) {
	g.pause(name)
	err = g.do(func() error {
		made, err := f()
		if err != nil {
			return err
		}
		out = guarded{made, g, name}
		return g.private(name)
	})
	return out, g.log(name, err)
}

func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(name, func() (vfs.File, error) { return g.FS.Create(name, c) })
}

func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return g.file(name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, c, opts...) })
}

func (g *guard) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.file(to, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, c) })
}

func (g *guard) Link(from, to string) error {
	return g.do(func() error { return g.FS.Link(from, to) })
}

func (g *guard) Remove(name string) error {
	return g.do(func() error { return g.FS.Remove(name) })
}

func (g *guard) RemoveAll(name string) error {
	return g.do(func() error { return g.FS.RemoveAll(name) })
}

func (g *guard) Rename(from, to string) error {
	return g.do(func() error { return g.FS.Rename(from, to) })
}

func (g *guard) MkdirAll(dir string, _ os.FileMode) error {
	return g.do(func() error { return g.FS.MkdirAll(dir, dirPerm) })
}

// Lock locks once for each guard: Pebble's own release of what unlock released
// already must not take the lock from the next database.
func (g *guard) Lock(name string) (out io.Closer, err error) {
	err = g.do(func() error {
		l, err := g.FS.Lock(name)
		if err == nil {
			once := &onceCloser{Closer: l}
			g.lock.Store(once)
			out = once
			err = g.private(name)
		}
		return err
	})
	return out, err
}

func (g *guard) Unwrap() vfs.FS { return g.FS }

type onceCloser struct {
	io.Closer
	once sync.Once
	err  error
}

func (c *onceCloser) Close() error {
	c.once.Do(func() { c.err = c.Closer.Close() })
	return c.err
}

// guarded is a file behind a guard.
type guarded struct {
	vfs.File
	g    *guard
	name string
}

func (f guarded) do(op func() error) error { return f.g.log(f.name, f.g.do(op)) }

func (f guarded) Write(p []byte) (n int, err error) {
	err = f.do(func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f guarded) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.do(func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f guarded) Preallocate(off, length int64) error {
	return f.do(func() error { return f.File.Preallocate(off, length) })
}

func (f guarded) SyncTo(length int64) (full bool, err error) {
	err = f.do(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f guarded) Sync() error     { return f.do(f.File.Sync) }
func (f guarded) SyncData() error { return f.do(f.File.SyncData) }
func (f guarded) Close() error    { return f.g.log(f.name, f.File.Close()) }
