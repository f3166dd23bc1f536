// Package file keeps records as NDJSON on disk, one folder per topic:
//
//	DIR/.lock                              held while a sink is open
//	DIR/.undo                              how to take back the last group, see undo
//	DIR/.probe, DIR/<topic>/.probe         whether files can be made; means nothing
//	DIR/<topic>/<UTC>-<n>.ndjson           {"key":…,"headers":{…},"value":…}
//	DIR/<topic>/<UTC>-<n>.ndjson.zst       a closed file, compressed
//	DIR/<topic>/.<UTC>-<n>.ndjson.zst.tmp  being compressed; means nothing
//
// <UTC> is the instant the file was opened (20261122T101500.000Z), so names sort
// by time. Every line of an .ndjson file is complete but perhaps the last one of
// a file being written.
//
// Commit renders its lines into the group that fills, wakes the writer and waits.
// The writer takes the whole group, writes each topic's lines with one write and
// one fdatasync, all topics at once, and wakes everybody who waits for it: the cost
// of durability is shared by all that came while the disk was busy. A group, and
// with it all records of a batch, is stored whole or not at all, also over kill -9.
// Power loss may leave some lines of one that nobody was answered for.
//
// Files are appended to and may be moved, removed or cut by others at any time: before
// and after each group the open file is compared with what its name says. A file that
// was moved or removed is followed by a new one, one that was cut goes on at its end,
// and no group is acknowledged that is in neither.
package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"assent/disk"
	"assent/sinks"
)

const extension = ".ndjson"

// A Sink commits batches to files.
type Sink struct {
	opt   Options
	lock  io.Closer
	woken chan struct{} // capacity 1: the filling group is no longer empty, or the sink closes

	streams atomic.Pointer[map[string]*stream] // copied on write
	mu      sync.Mutex                         // held to add a stream, to join a group and to close
	closed  bool
	filling *group   // never nil; empty while nobody waits
	idle    []*group // groups nobody refers to

	running sync.WaitGroup // the writer and its helpers
	drained chan struct{}  // closed when everything is written and released

	// Owned by the writer.
	undo  undo
	parts []*part        // of the group at hand
	syncs sync.WaitGroup // of its parts

	reserved int64        // bytes of the file system that events leave alone
	room     atomic.Int64 // beyond them, when the writer looked last

	reopen     chan struct{}               // capacity 1: the files are to be closed
	unwritable atomic.Pointer[sinks.Error] // why the last look at a folder failed
	closing    chan struct{}               // stops the compressor
	queue      *queue
	compressor sync.WaitGroup
}

var _ sinks.Committer = (*Sink)(nil)

// Open locks opt.Dir, repairs what a crash left there and returns a Sink. It
// fails when another process has the directory open.
func Open(opt Options) (*Sink, error) {
	opt.EnsureDefaults()
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("reading file sink options: %w", err)
	}
	opt.Dir = filepath.Clean(opt.Dir)
	if err := disk.MakeDir(opt.FS, opt.Dir); err != nil {
		return nil, fmt.Errorf("creating event directory: %w", err)
	}
	lock, err := opt.FS.Lock(filepath.Join(opt.Dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("locking event directory %q (is another process using it?): %w", opt.Dir, err)
	}
	s := &Sink{
		opt: opt, lock: lock, woken: make(chan struct{}, 1), reopen: make(chan struct{}, 1),
		drained: make(chan struct{}), closing: make(chan struct{}), queue: newQueue(),
	}
	s.streams.Store(&map[string]*stream{})
	s.filling = s.fresh()
	s.reserved = s.opt.reserve()
	s.measure()
	closed, err := s.recover()
	if err != nil {
		lock.Close()
		return nil, err
	}
	s.running.Go(s.run)
	if opt.Compress {
		s.compressor.Add(1)
		go s.runCompressor()
		for _, path := range closed {
			s.compress(path)
		}
	}
	return s, nil
}

// Commit implements sinks.Committer. ctx is looked at once, before anything is
// written: a group is at the disk within milliseconds, and a caller that left
// early could not know whether its records are kept.
func (s *Sink) Commit(ctx context.Context, b *sinks.Batch) error {
	if err := ctx.Err(); err != nil {
		return meter.Failed(sinks.ReasonCanceled, err)
	}
	if len(b.Records) == 0 {
		return nil
	}
	g, err := s.join(b)
	if err != nil {
		return err
	}
	return s.leave(g)
}

// stream returns the stream of a topic, starting it on first use.
func (s *Sink) stream(topic string) (*stream, error) {
	if st := (*s.streams.Load())[topic]; st != nil {
		return st, nil
	}
	if err := sinks.ValidTopic(topic); err != nil {
		return nil, meter.Failed(sinks.ReasonBadTopic, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, meter.Failed(sinks.ReasonClosed, nil)
	}
	old := *s.streams.Load()
	if st := old[topic]; st != nil {
		return st, nil
	}
	dir := filepath.Join(s.opt.Dir, topic)
	if err := disk.MakeDir(s.opt.FS, dir); err != nil {
		return nil, meter.Failed(reason(err), err)
	}
	st := &stream{sink: s, topic: topic, dir: dir, work: make(chan []byte)}
	streams := make(map[string]*stream, len(old)+1)
	for name, other := range old {
		streams[name] = other
	}
	streams[topic] = st
	s.streams.Store(&streams)
	s.running.Go(st.run)
	return st, nil
}

// Admit implements sinks.Committer.
func (s *Sink) Admit(string) error { return s.Ready() }

// Reopen closes every file; the next record of a topic begins a new one. Tools that
// rotate files ask for it, as soon as they have renamed them.
func (s *Sink) Reopen() {
	select {
	case s.reopen <- struct{}{}:
	default:
	}
}

// Ready implements sinks.Committer: it reports the failure of any topic's last
// write, until a write to that topic or a probe of its folder succeeds, and that no
// file can be made.
func (s *Sink) Ready() error {
	select {
	case <-s.closing:
		return &sinks.Error{Reason: sinks.ReasonClosed}
	default:
	}
	for _, st := range *s.streams.Load() {
		if e := st.failed.Load(); e != nil {
			return e
		}
	}
	if e := s.unwritable.Load(); e != nil {
		return e
	}
	return s.hasRoom()
}

// Close implements sinks.Committer. A file that is being compressed is left for
// the next start.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.closing)
		s.wake()
		go func() {
			s.running.Wait()
			s.compressor.Wait()
			s.lock.Close()
			close(s.drained)
		}()
	}
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing file sink %q: %w", s.opt.Dir, ctx.Err())
	}
}

// look tries whether files can be made in all folders, and makes those anew that were
// removed: a node that cannot is to get no traffic, before its next file is due.
func (s *Sink) look() {
	err := s.probe(s.opt.Dir, 0)
	for _, st := range *s.streams.Load() {
		err = cmp.Or(err, s.probe(st.dir, 0))
	}
	if err != nil {
		s.unwritable.Store(&sinks.Error{Reason: reason(err), Err: err})
	} else if s.unwritable.Load() != nil {
		s.unwritable.Store(nil)
	}
}

// probeBytes is what a write must be able to take for a disk that failed to be tried again.
const probeBytes = 64 << 10

// probe reports whether a file of so many bytes can be made in dir, durably if any.
func (s *Sink) probe(dir string, bytes int) error {
	path := filepath.Join(dir, ".probe")
	s.opt.FS.Remove(path) // left by a crash, if any
	f, err := s.opt.FS.Create(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = disk.MakeDir(s.opt.FS, dir); err == nil {
			f, err = s.opt.FS.Create(path)
		}
	}
	if err != nil {
		return err
	}
	if bytes > 0 {
		_, err = f.Write(make([]byte, bytes))
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close(), s.opt.FS.Remove(path))
}

// sequence names the files of one stream.
type sequence struct {
	last string
	n    int
}

// next returns the name of a file opened at now. Names of one process ascend
// even when the clock does not.
func (q *sequence) next(now time.Time) string {
	stamp := now.UTC().Format("20060102T150405.000Z")
	q.last = max(q.last, stamp)
	q.n++
	return fmt.Sprintf("%s-%06d", q.last, q.n)
}
