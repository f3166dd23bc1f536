// Package store keeps the newest consent state of every subject on disk, in
// Pebble. It is an index that can be rebuilt, but until then it is the only one: a
// value it cannot read is an error, never an absence.
//
// Keys and values:
//
//	'f'                        format version of all below, one byte
//	'l' kind:1 id              link: holder's kind:1, time:8, node:2 (big-endian), holder's id, crc:4
//	'p' receipt id             proof: the signed receipt as it was given, crc:4
//	'r' kind:1 id              record: consent.AppendRecord, crc:4
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

	"assent/consent"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
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
}

const memTable = 2 << 20

// Store is a consent.Store. Writes are synced; concurrent ones share a sync.
type Store struct {
	db *pebble.DB

	mu     sync.RWMutex // held for reading while db is in use, so that Close waits
	closed bool
	// broken: the log could not be written. What is in memory may then be more than
	// what is on disk, so nothing is answered from it any more.
	broken     atomic.Bool
	background atomic.Bool // the last flush or compaction failed
}

var _ consent.Store = (*Store)(nil)

var (
	errClosed = errors.New("consent store: closed")
	errBroken = errors.New("consent store: writing failed; restart once the disk is well")
)

// Open opens the store of a directory, making it when absent.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("consent store: no directory")
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 4 << 20
	}
	s := &Store{}
	opts := &pebble.Options{
		FS:                          o.FS,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: 2,
		MaxOpenFiles:                128,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      silent{},
		EventListener:               s.listener(),
	}
	for i := range opts.Levels { // most ids asked for were never recorded
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := open(o.Dir, opts)
	if err != nil {
		return nil, fmt.Errorf("opening consent store: %w", err)
	}
	s.db = db
	if err := s.checkFormat(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// open turns a failure that Pebble calls fatal into an error.
func open(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer fatalTo(&err)
	return pebble.Open(dir, opts)
}

func (s *Store) checkFormat() error {
	v, closer, err := s.db.Get([]byte{'f'})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		if err := s.db.Set([]byte{'f'}, []byte{Format}, pebble.Sync); err != nil {
			return fmt.Errorf("opening consent store: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("opening consent store: %w", err)
	}
	defer closer.Close()
	if len(v) != 1 || v[0] != Format {
		return errors.New("opening consent store: its format is not one this version reads")
	}
	return nil
}

// listener watches what Pebble does in the background. Corruption is met again,
// as an error, by whoever reads the value.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(error) { s.background.Store(true) },
		DataCorruption:  func(pebble.DataCorruptionInfo) { s.background.Store(true) },
		FlushEnd: func(i pebble.FlushInfo) {
			// A flush that finds nothing to write calls that an error, which has no
			// name outside of Pebble; it is told by what was not made.
			s.background.Store(i.Err != nil && i.Err.Error() != "pebble: empty table")
		},
		CompactionEnd: func(i pebble.CompactionInfo) { s.background.Store(i.Err != nil) },
	}
}

// use enters the database; leave must follow when err is nil.
func (s *Store) use() (leave func(), err error) {
	s.mu.RLock()
	switch {
	case s.closed:
		err = errClosed
	case s.broken.Load():
		err = errBroken
	default:
		return s.mu.RUnlock, nil
	}
	s.mu.RUnlock()
	return nil, err
}

// get reads one value and hands it, without its checksum, to f; false when there is
// none. The value is f's only during the call.
func (s *Store) get(key []byte, f func(value []byte) error) (bool, error) {
	leave, err := s.use()
	if err != nil {
		return false, err
	}
	defer leave()
	v, closer, err := s.db.Get(key)
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
	_, err = s.get(append([]byte{'p'}, id...), func(v []byte) error {
		b = append([]byte{}, v...)
		return nil
	})
	return b, err
}

// Put applies a write as one and returns when it is on disk. A context that is
// done before the write begins stops it; afterwards nothing does.
func (s *Store) Put(ctx context.Context, w *consent.Write) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing consent store: %w", err)
	}
	leave, err := s.use()
	if err != nil {
		return err
	}
	defer leave()
	b := s.db.NewBatch()
	for _, r := range w.Records {
		key := subjectKey('r', r.Subject)
		err = errors.Join(err, b.Set(key, seal(key, consent.AppendRecord(nil, r)), nil))
	}
	for alias, l := range w.Links {
		key := subjectKey('l', alias)
		if l.Holder.IsZero() {
			err = errors.Join(err, b.Delete(key, nil))
		} else {
			err = errors.Join(err, b.Set(key, seal(key, appendLink(nil, l)), nil))
		}
	}
	for id, receipt := range w.Receipts {
		key := append([]byte{'p'}, id...)
		err = errors.Join(err, b.Set(key, seal(key, receipt), nil))
	}
	if err == nil {
		err = s.commit(b)
	}
	if err != nil {
		s.broken.Store(true)
		return errBroken
	}
	return b.Close()
}

// commit syncs a batch. Pebble calls it fatal when its log cannot be written: a
// sync that failed once cannot be tried again, the kernel has forgotten the pages.
func (s *Store) commit(b *pebble.Batch) (err error) {
	defer fatalTo(&err)
	return b.Commit(pebble.Sync)
}

// Ready reports why the store cannot do its work; nil when it can.
func (s *Store) Ready() error {
	leave, err := s.use()
	if err != nil {
		return err
	}
	leave()
	if s.background.Load() {
		return errors.New("consent store: background work fails; look at the disk")
	}
	return nil
}

// Close waits for calls under way and closes the store. Closing twice is nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := closeDB(s.db); err != nil && !s.broken.Load() {
		return fmt.Errorf("closing consent store: %w", err)
	}
	return nil
}

func closeDB(db *pebble.DB) (err error) {
	defer fatalTo(&err)
	return db.Close()
}

// silent drops Pebble's messages, which may quote keys, and stops whoever meets a
// fatal one. The format alone is kept: it quotes nothing.
type silent struct{}

type fatal string

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

func (silent) Fatalf(format string, _ ...any) { panic(fatal("consent store: " + format)) }

// fatalTo makes an error of a fatal stop on the caller's own goroutine.
func fatalTo(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = errors.New(string(p))
	default:
		panic(p)
	}
}
