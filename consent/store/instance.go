package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"assent/consent"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

const memTable = 2 << 20

// instance is Pebble opened once. It is never trusted again after a failed write: a
// sync that failed once cannot be tried again, the kernel has forgotten the pages.
type instance struct {
	db         *pebble.DB
	users      sync.WaitGroup
	background atomic.Bool // the last flush or compaction failed
}

func (s *Store) open() (*instance, error) {
	in := &instance{}
	opts := &pebble.Options{
		FS:                          patientFS{s.o.FS, s.o.Pause},
		CacheSize:                   s.o.CacheBytes,
		MemTableSize:                memTable,
		MemTableStopWritesThreshold: 2,
		MaxOpenFiles:                128,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      silent{},
		EventListener:               s.listener(in),
	}
	for i := range opts.Levels { // most ids asked for were never recorded
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	var err error
	if in.db, err = open(s.o.Dir, opts); err != nil {
		return nil, fmt.Errorf("opening consent store: %w", err)
	}
	if err := in.checkFormat(); err != nil {
		return nil, errors.Join(err, closeDB(in.db))
	}
	return in, nil
}

// open turns a failure that Pebble calls fatal into an error.
func open(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer fatalTo(&err)
	return pebble.Open(dir, opts)
}

func (in *instance) checkFormat() (err error) {
	defer fatalTo(&err)
	v, closer, err := in.db.Get([]byte{'f'})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		if err := in.db.Set([]byte{'f'}, []byte{Format}, pebble.Sync); err != nil {
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

// listener watches what Pebble does in the background. Pebble repeats failed work at
// once and for ever, on a full disk with all its processors: an instance whose
// background work fails is given up instead. Corruption is met again, as an error, by
// whoever reads the value.
func (s *Store) listener(in *instance) *pebble.EventListener {
	ended := func(err error) {
		if in.background.Store(err != nil); err != nil {
			go s.fail(in)
		}
	}
	return &pebble.EventListener{
		BackgroundError: func(err error) { ended(err) },
		DataCorruption:  func(pebble.DataCorruptionInfo) { in.background.Store(true) },
		FlushEnd: func(i pebble.FlushInfo) {
			// A flush that finds nothing to write calls that an error, which has no
			// name outside of Pebble; it is told by what was not made.
			if i.Err == nil || i.Err.Error() != "pebble: empty table" {
				ended(i.Err)
			}
		},
		CompactionEnd: func(i pebble.CompactionInfo) { ended(i.Err) },
	}
}

// use gives the instance in use; its users is to be told when that is over.
func (s *Store) use() (*instance, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.current == nil:
		return nil, errBroken
	}
	s.current.users.Add(1)
	return s.current, nil
}

// fail gives an instance up and has the store opened anew.
func (s *Store) fail(in *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == in {
		s.current = nil
		s.reopening.Go(func() { s.reopen(in) })
	}
}

// reopen opens the store anew once the instance before let go of the directory, for
// which a disk that hangs can take any time, and once there is room.
func (s *Store) reopen(before *instance) {
	before.users.Wait()
	_ = closeDB(before.db) // whatever it says of the disk: it was given up
	for {
		if s.room(nil) == nil {
			if in, err := s.open(); err == nil {
				s.adopt(in)
				return
			}
		}
		select {
		case <-s.stop:
			return
		case <-time.After(s.o.Pause):
		}
	}
}

func (s *Store) adopt(in *instance) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = closeDB(in.db)
		return
	}
	s.current = in
	changed := s.changed
	s.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// put commits a write. Pebble calls it fatal when its log cannot be written.
func (in *instance) put(w *consent.Write) (err error) {
	defer fatalTo(&err)
	b := in.db.NewBatch()
	set := func(key, value []byte) { err = errors.Join(err, b.Set(key, seal(key, value), nil)) }
	for _, r := range w.Records {
		set(subjectKey('r', r.Subject), consent.AppendRecord(nil, r))
	}
	for alias, l := range w.Links {
		if key := subjectKey('l', alias); l.Holder.IsZero() {
			err = errors.Join(err, b.Delete(key, nil))
		} else {
			set(key, appendLink(nil, l))
		}
	}
	for id, receipt := range w.Receipts {
		set(receiptKey(id), receipt)
		if !w.About.IsZero() {
			err = errors.Join(err, b.Set(indexKey(w.About, id), nil, nil), in.dropOldest(b, w.About))
		}
	}
	if err != nil {
		return err
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return b.Close()
}

// maxReceipts bounds the receipts kept of one subject: years of changes of mind, and a
// bound on what one of them can take of the disk (about 1 MB).
const maxReceipts = 1000

// dropOldest removes the receipts of a subject that are one too many.
func (in *instance) dropOldest(b *pebble.Batch, about consent.Subject) error {
	prefix := indexKey(about, "")
	all, err := in.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: append(prefix[:len(prefix)-1:len(prefix)-1], 1)})
	if err != nil {
		return err
	}
	defer all.Close()
	n := 0
	for ok := all.Last(); ok; ok = all.Prev() {
		if n++; n < maxReceipts { // with the one that comes
			continue
		}
		key := all.Key()
		if err := errors.Join(b.Delete(key, nil), b.Delete(receiptKey(string(key[len(prefix):])), nil)); err != nil {
			return err
		}
	}
	return all.Error()
}

// Close gives the store up. It waits for calls under way, but for no longer than
// Options.Wait: a disk that hangs holds up nobody's shutdown. Closing twice is nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	in := s.current
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed, s.current = true, nil
	close(s.stop)
	s.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		s.reopening.Wait()
		if in == nil {
			done <- nil
			return
		}
		in.users.Wait()
		done <- closeDB(in.db)
	}()
	wait := time.NewTimer(s.o.Wait)
	defer wait.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("closing consent store: %w", err)
		}
		return nil
	case <-wait.C:
		return errors.New("closing consent store: the disk does not answer; what was acknowledged is on it")
	}
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
