package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// instance is one opened database. One that failed is not used again: what is in its
// memory may be more than what is on disk, and a sync that failed once cannot be tried
// again, since the kernel has forgotten the pages.
type instance struct {
	db        *pebble.DB
	guard     *guard
	calls     sync.WaitGroup // under way
	late      atomic.Int32   // commits nobody waits for any more, of which nobody knows how they end
	unflushed atomic.Bool    // the last flush failed; Pebble repeats it
	nobody    atomic.Int64   // receipts of nobody, and how many there may be
	maxNobody int64
	prune     sync.Mutex // held by who removes some of them
}

// memTable is also what the log holds until it is written to a table.
const memTable = 2 << 20

// open opens the directory and checks what is in it. After an error too, what it
// returns holds the directory until it is quiet and unlocked.
func (s *Store) open() (*instance, error) {
	in := &instance{maxNobody: defaultNobody}
	in.guard = newGuard(s.o.FS, s.o.after, func() { s.fail(in) })
	opts := &pebble.Options{
		FS:                          in.guard,
		Cache:                       s.cache,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: 2,
		MaxOpenFiles:                128,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      silent{in.guard.giveUp},
		EventListener:               in.listener(),
	}
	for i := range opts.Levels { // most ids asked for were never recorded
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	opened := make(chan *pebble.DB, 1)
	err := private(s.o.FS, s.o.Dir)
	if err == nil {
		err = in.wait(func() error {
			db, err := pebble.Open(s.o.Dir, opts)
			opened <- db
			return err
		})
	}
	if err == nil {
		in.db = <-opened
		in.guard.open.Store(true)
		if err = in.check(s.o.Dir); err != nil {
			err = errors.Join(err, in.end())
		}
	}
	if err != nil {
		in.guard.shut()
		return in, fmt.Errorf("opening consent store: %w", err)
	}
	return in, nil
}

// private makes the directory and takes it, and what an earlier version left in it,
// away from everybody else: it is personal data.
func private(fs vfs.FS, dir string) error {
	if err := fs.MkdirAll(dir, dirPerm); err != nil || vfs.Root(fs) != vfs.Default {
		return err
	}
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Chmod(filepath.Join(dir, name), filePerm); err != nil {
			return err
		}
	}
	return os.Chmod(dir, dirPerm)
}

// check reads the format, writing it into an empty store, and the count.
func (in *instance) check(dir string) error {
	found, closer, err := in.db.Get([]byte{'f'})
	if errors.Is(err, pebble.ErrNotFound) {
		return in.wait(func() error { return in.db.Set([]byte{'f'}, []byte{Format}, pebble.Sync) })
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if len(found) != 1 || found[0] != Format {
		return fmt.Errorf("%s has format %d, and this version reads format %d: run the version that wrote it, or move the directory away",
			dir, found, Format)
	}
	count, closer, err := in.db.Get(countKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(count) == 8 {
		in.nobody.Store(int64(binary.BigEndian.Uint64(count)))
	}
	return closer.Close()
}

// listener watches what Pebble does in the background. Corruption is met again,
// as an error, by whoever reads the value.
func (in *instance) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(error) {},
		DataCorruption:  func(pebble.DataCorruptionInfo) { in.guard.worked(false) },
		FlushEnd: func(i pebble.FlushInfo) {
			// A flush that finds nothing to write calls that an error, which has no
			// name outside of Pebble; it is told by what was not made.
			ok := i.Err == nil || i.Err.Error() == "pebble: empty table"
			in.unflushed.Store(!ok)
			in.guard.worked(ok)
		},
		CompactionEnd: func(i pebble.CompactionInfo) { in.guard.worked(i.Err == nil) },
	}
}

// end closes the database once nobody uses it.
func (in *instance) end() error {
	in.calls.Wait()
	in.guard.open.Store(false)
	return in.wait(in.db.Close)
}

// wait runs what Pebble may hang in, or end with a panic, and returns an error when the
// instance is given up meanwhile.
func (in *instance) wait(f func() error) error {
	done := make(chan error, 1)
	go attempt(f, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-in.guard.closed:
		return errFatal
	}
}

// attempt runs f on a goroutine of its own; then is told how f ended, a panic of
// Pebble's being an error.
func attempt(f func() error, then func(error)) {
	err := errFatal
	defer func() {
		if recover() != nil {
			err = errFatal
		}
		then(err)
	}()
	err = f()
}

// silent drops Pebble's messages, which may quote keys. What Pebble calls fatal gives
// the instance up, and the goroutine that meets it, which may be Pebble's own, sleeps
// for good: the process goes on.
type silent struct{ giveUp func() }

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

func (s silent) Fatalf(string, ...any) {
	s.giveUp()
	select {}
}
