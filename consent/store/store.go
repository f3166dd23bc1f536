// Package store keeps the newest consent state of every subject on disk, in
// Pebble. It is an index that can be rebuilt, but until then it is the only one: a
// value it cannot read is an error, never an absence.
//
// Keys and values:
//
//	'f'                        format version of all below, one byte
//	'l' kind:1 id              link: holder's kind:1, time:8, node:2 (big-endian), holder's id, crc:4
//	'p' receipt id             proof: the signed receipt as it was given, crc:4
//	's' kind:1 id 0 receipt id the receipts of one subject, in order of time
//	'r' kind:1 id              record: consent.AppendRecord, crc:4
//
// crc is CRC-32C (Castagnoli), big-endian, over key and value: a value under a key
// that is not its own is unreadable too. A kind is a consent.SubjectKind.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"assent/consent"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the version of keys and values this package writes and reads.
const Format = 1

// Options of a Store.
type Options struct {
	Dir string // required; owned by one process at a time
	FS  vfs.FS // default the machine's
	// CacheBytes is the memory for blocks read from disk; default 4 MiB. Beside it
	// Pebble holds two memtables of 2 MiB.
	CacheBytes int64
	// Free gives the bytes left on the file system of Dir; default: not asked.
	Free func(dir string) (int64, error)
	// Reserve is what a write that grants leaves free, in bytes. The half of it is for
	// writes that only narrow: a refusal is taken longer than a grant. Default 64 MiB.
	Reserve int64
	// Wait is the longest that one write waits for the disk; default 5 s.
	Wait time.Duration
	// Pause lies between two attempts to open the store anew after the disk failed;
	// default 1 s.
	Pause time.Duration
}

// EnsureDefaults fills what was left out.
func (o *Options) EnsureDefaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = 4 << 20
	}
	if o.Reserve == 0 {
		o.Reserve = 64 << 20
	}
	if o.Wait == 0 {
		o.Wait = 5 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
}

// Store is a consent.Store. Writes are synced; concurrent ones share a sync.
//
// After a failed write, or one that takes longer than Options.Wait, what is in memory
// may be more than what is on disk. Nothing is answered from it any more: reads and
// writes are errors until the store was opened anew, which goes on in the background,
// with pauses, for as long as it takes. See Notify.
type Store struct {
	o Options

	mu      sync.RWMutex
	current *instance // nil: broken or closed
	closed  bool
	stop    chan struct{}
	changed func()

	reopening sync.WaitGroup
}

var _ consent.Store = (*Store)(nil)

var (
	errClosed = errors.New("consent store: closed")
	errBroken = errors.New("consent store: the disk failed; it is opened anew as soon as that works")
	errRoom   = errors.New("consent store: the file system has less than the reserve left")
)

// Open opens the store of a directory, making it when absent. The directory is the
// process's own: nobody else can read it.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("consent store: no directory")
	}
	o.EnsureDefaults()
	if o.FS == nil {
		o.FS = vfs.Default
		if err := private(o.Dir); err != nil {
			return nil, fmt.Errorf("opening consent store: %w", err)
		}
	}
	s := &Store{o: o, stop: make(chan struct{})}
	var err error
	if s.current, err = s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// private makes a directory that nobody else can look into, as what exists already.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// Notify sets what is called when an answer given before may no longer hold: the store
// was opened anew, and a write that was said to have failed may have reached the disk.
func (s *Store) Notify(changed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = changed
}

// get reads one value and hands it, without its checksum, to f; false when there is
// none. The value is f's only during the call.
func (s *Store) get(key []byte, f func(value []byte) error) (bool, error) {
	in, err := s.use()
	if err != nil {
		return false, err
	}
	defer in.users.Done()
	v, closer, err := in.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		// Pebble's errors may quote a key, and a key is somebody's id.
		return false, errors.New("consent store: reading failed")
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

// Linked returns who holds a tracker's own id.
func (s *Store) Linked(alias consent.Subject) (l consent.Link, ok bool, err error) {
	ok, err = s.get(subjectKey('l', alias), func(v []byte) error {
		l, err = parseLink(v)
		return err
	})
	return l, ok && err == nil, err
}

// Receipt returns a receipt's bytes; nil, nil when there is none.
func (s *Store) Receipt(id string) (b []byte, err error) {
	_, err = s.get(receiptKey(id), func(v []byte) error {
		b = append([]byte{}, v...)
		return nil
	})
	return b, err
}

// Put applies a write as one and returns when it is on disk. A context that is
// done before the write begins stops it; afterwards nothing does, but Put waits for
// no longer than Options.Wait. What became of a write that failed is not known before
// the store is opened anew.
func (s *Store) Put(ctx context.Context, w *consent.Write) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing consent store: %w", err)
	}
	if err := s.room(w); err != nil {
		return err
	}
	in, err := s.use()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer in.users.Done()
		done <- in.put(w)
	}()
	wait := time.NewTimer(s.o.Wait)
	defer wait.Stop()
	select {
	case err = <-done:
	case <-wait.C:
		err = errBroken
	}
	if err != nil {
		s.fail(in)
		return errBroken
	}
	return nil
}

// room refuses a write for which the file system has too little left.
func (s *Store) room(w *consent.Write) error {
	if s.o.Free == nil {
		return nil
	}
	free, err := s.o.Free(s.o.Dir)
	if err != nil {
		return nil // whoever cannot be asked is tried
	}
	least := s.o.Reserve
	if w != nil && w.Narrows {
		least /= 2
	}
	if free < least {
		return errRoom
	}
	return nil
}

// Ready reports why the store cannot do its work; nil when it can.
func (s *Store) Ready() error {
	in, err := s.use()
	if err != nil {
		return err
	}
	in.users.Done()
	if in.background.Load() {
		return errors.New("consent store: background work fails; look at the disk")
	}
	return s.room(nil)
}
