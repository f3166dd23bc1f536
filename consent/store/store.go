// Package store keeps the newest consent state of every subject on disk, in
// Pebble. It is an index that can be rebuilt, but until then it is the only one: a
// value it cannot read is an error, never an absence.
//
// Keys and values:
//
//	'a' receipt id             proof of nobody: the signed receipt as it was given, crc:4
//	'c'                        how many 'a' there are, big-endian:8, about
//	'f'                        format version of all below and above, one byte
//	'l' kind:1 id              links of a tracker's own id: each as consent.AppendLink, crc:4
//	'p' receipt id             proof of somebody: as 'a'
//	'r' kind:1 id              record: consent.AppendRecord, crc:4
//	's' kind:1 len:2 id receipt id
//	                           whose a 'p' is: its size, big-endian:4
//
// Receipt ids sort by time (UUIDv7).
//
// crc is CRC-32C (Castagnoli), big-endian, over key and value: a value under a key
// that is not its own is unreadable too. A kind is a consent.SubjectKind.
package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"assent/consent"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the version of keys and values this package writes and reads.
const Format = 3

// Options of a Store.
type Options struct {
	Dir string // required; owned by one process at a time
	FS  vfs.FS // default the machine's
	// CacheBytes is the memory for blocks read from disk; default 4 MiB. Beside it
	// Pebble holds two memtables of 2 MiB.
	CacheBytes int64
	// Reserve of the file system is left alone, half of it for choices that grant
	// nothing; default 64 MiB, or a quarter of a smaller file system.
	Reserve int64
	// Wait is how long a write, and Close, may take; default 5 s.
	Wait time.Duration

	after func(time.Duration) <-chan time.Time // time.After, but for tests
}

// Store is a consent.Store. Writes are synced; concurrent ones share a sync.
//
// A write that failed gives the database up; until it was opened again, which the
// store does by itself, and while it is not known how a write ended, everything is an
// error.
type Store struct {
	o        Options
	room     room
	stop     chan struct{} // closed by Close
	reopened atomic.Int64
	givenUp  atomic.Int64 // databases that failed
	cache    *pebble.Cache

	mu      sync.RWMutex // never held while the disk is waited for
	in      *instance    // nil while there is none to use
	closed  bool
	changed func()
}

var _ consent.Store = (*Store)(nil)

var (
	errClosed    = errors.New("consent store: closed")
	errBroken    = errors.New("consent store: writing failed; it is opened again as soon as the disk lets it")
	errLate      = errors.New("consent store: a write takes too long; how it ends is not known yet")
	errFull      = errors.New("consent store: the file system has less than the store's reserve left")
	errOften     = errors.New("consent store: writing failed too often; restart once the disk is well")
	errUnflushed = errors.New("consent store: what was written cannot be put into tables; look at the disk")
	errFatal     = errors.New("consent store: the database failed")
)

// Open opens the store of a directory, making it when absent.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("consent store: no directory")
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 4 << 20
	}
	if o.Wait == 0 {
		o.Wait = 5 * time.Second
	}
	if o.after == nil {
		o.after = time.After
	}
	s := &Store{o: o, room: room{fs: o.FS, dir: o.Dir, reserve: o.Reserve}, stop: make(chan struct{}), changed: func() {}}
	s.cache = pebble.NewCache(o.CacheBytes)
	in, err := s.open()
	if err != nil {
		in.guard.unlock()
		return nil, err
	}
	s.adopt(in)
	return s, nil
}

// Notify names whom to tell that anything may be different from what was read
// before: a write landed that was not waited for, or the store was opened again.
func (s *Store) Notify(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = f
}

func (s *Store) tellChanged() {
	s.mu.RLock()
	f := s.changed
	s.mu.RUnlock()
	f()
}

// Reopened is how often the store was opened again after a failure.
func (s *Store) Reopened() int64 { return s.reopened.Load() }

// use enters the database; in.calls.Done must follow when err is nil.
func (s *Store) use() (in *instance, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.in == nil:
		return nil, errBroken
	case s.in.late.Load() > 0:
		return nil, errLate
	}
	s.in.calls.Add(1)
	return s.in, nil
}

// get reads one value and hands it, without its checksum, to f; false when there is
// none. The value is f's only during the call.
func (s *Store) get(key []byte, f func(value []byte) error) (bool, error) {
	in, err := s.use()
	if err != nil {
		return false, err
	}
	defer in.calls.Done()
	v, closer, err := in.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, errReading
	}
	defer closer.Close()
	value, err := unseal(key, v)
	if err != nil {
		return false, err
	}
	return true, f(value)
}

// Get returns a subject's record; nil, nil when there is none.
func (s *Store) Get(sub consent.Subject) (r *consent.Record, err error) {
	_, err = s.get(subjectKey('r', sub), func(v []byte) error {
		if r, err = consent.ParseRecord(sub, v); err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
		return nil
	})
	return r, err
}

// Links returns the links of a tracker's own id.
func (s *Store) Links(alias consent.Subject) (links []consent.Link, err error) {
	_, err = s.get(subjectKey('l', alias), func(v []byte) error {
		if links, err = consent.ParseLinks(alias, v); err != nil {
			return fmt.Errorf("reading links: %w", err)
		}
		return nil
	})
	return links, err
}

// Receipt returns a receipt's bytes; nil, nil when there is none.
func (s *Store) Receipt(id string) (b []byte, err error) {
	for _, space := range []byte{'p', 'a'} {
		found, err := s.get(receiptKey(space, id), func(v []byte) error {
			b = append([]byte{}, v...)
			return nil
		})
		if found || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// Put applies a change as one and returns when it is on disk, or after Options.Wait
// with an error: how the write ends is then not known. A context that is done before
// the write begins stops it; afterwards nothing does.
func (s *Store) Put(ctx context.Context, c *consent.Change) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing consent store: %w", err)
	}
	in, err := s.use()
	if err != nil {
		return err
	}
	return s.commit(in, c)
}

// commit puts a change together and syncs it, on a goroutine of its own, so that who
// waits can leave: whatever asks the disk may hang.
func (s *Store) commit(in *instance, c *consent.Change) error {
	done := make(chan error, 1)
	var b *pebble.Batch   // nil until it is committed
	var ended atomic.Bool // by the commit, or by who waited for it
	write := func() error {
		if err := s.refusal(in, c); err != nil {
			return err
		}
		made, err := in.batch(c)
		if err != nil {
			return err
		}
		b = made
		return b.Commit(pebble.Sync)
	}
	go attempt(write, func(err error) {
		defer in.calls.Done()
		switch {
		case b != nil && err != nil:
			s.fail(in)
			err = errBroken // Pebble's errors may quote keys
		case b != nil:
			_ = b.Close()
		}
		if !ended.CompareAndSwap(false, true) {
			s.tellChanged()
			in.late.Add(-1)
		}
		done <- err
	})
	bound := time.NewTimer(s.o.Wait)
	defer bound.Stop()
	left := errLate
	select {
	case err := <-done:
		return err
	case <-bound.C:
	case <-in.guard.closed: // what hangs in it may hang for good
		left = errBroken
	}
	in.late.Add(1)
	if ended.CompareAndSwap(false, true) {
		return left
	}
	in.late.Add(-1)
	return <-done
}

// refusal says why a write is not begun. One that waited for a flush that fails would
// make everything unreadable, and what is there can be read.
func (s *Store) refusal(in *instance, c *consent.Change) error {
	switch {
	case in.unflushed.Load():
		return errUnflushed
	case s.room.refuses(c.Narrows):
		return errFull
	}
	return nil
}

// Ready reports why the store cannot do its work; nil when it can.
func (s *Store) Ready() error {
	in, err := s.use()
	if err != nil {
		return err
	}
	defer in.calls.Done()
	switch {
	case s.room.refuses(false):
		return errFull
	case in.guard.failures.Load() > 0:
		return errors.New("consent store: background work fails; look at the disk")
	}
	return nil
}

// Close waits for calls under way and closes the store, for Options.Wait at most: an
// error says that something still hangs. All that was acknowledged is on disk anyway.
// Closing twice is nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	in, closed := s.in, s.closed
	s.in, s.closed = nil, true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	if in == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- in.end() }()
	bound := time.NewTimer(s.o.Wait)
	defer bound.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("closing consent store: %w", err)
		}
		s.cache.Unref()
		return nil
	case <-bound.C:
		in.guard.shut() // what hangs wakes in vain, and another process may have the directory
		return errors.New("closing consent store: a write still hangs")
	}
}
